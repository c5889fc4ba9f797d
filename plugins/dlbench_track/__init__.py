"""Trackers: TensorBoard, MLflow and Weights & Biases, each into files on this machine, switched on by `--track`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dlbench import TrackerSpec


def _tensorboard(folder: Path) -> Any:
    from .to_tensorboard import TensorBoard

    return TensorBoard(folder)


def _mlflow(folder: Path) -> Any:
    from .to_mlflow import MLflow

    return MLflow(folder)


def _wandb(folder: Path, *, project: str = "dlbench") -> Any:
    from .to_wandb import WandB

    return WandB(folder, project)


def dlbench_trackers() -> Iterator[TrackerSpec]:
    yield TrackerSpec(name="tensorboard", build=_tensorboard)
    yield TrackerSpec(name="mlflow", build=_mlflow)
    yield TrackerSpec(name="wandb", build=_wandb)
