"""Tasks that show whether a result is real: `shuffled`. Torch is imported on load."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Classes, DataSet, Image, Metric, TaskSpec, unknown
from dlbench.data import Data
from dlbench_vision.robustness import BASES, shifted_files


def load_shuffled(data: Data, *, task: str = "digits", images: int = 0, seed: int = 0) -> Any:
    """`images`: how many to train on, the first of the training split; 0 for all. `seed`: of the permutation."""
    from .shuffled import load

    _known(task)
    return load(data, task=task, images=images, seed=seed)


def shuffled_files(*, task: str = "digits", **_: Any) -> DataSet | None:
    """The files behind `shuffled[task=...]`; raises UsageError for an unknown task."""
    return shifted_files(task=_known(task))


def shuffled_floor(*, task: str = "digits", images: int = 0, **_: Any) -> float | None:
    """The share on test of the most frequent class of the training images; which one that is of the first few is left
    to the row of `constant`."""
    if images:
        return None
    return {"mnist": 0.1135, "fashion_mnist": 0.1, "digits": 37 / 360}[_known(task)]


def _known(task: str) -> str:
    if task not in BASES:
        raise unknown("task to shuffle the labels of", task, BASES)
    return task


def specs() -> Iterable[TaskSpec]:
    yield TaskSpec(
        name="shuffled",
        input_kind=Image,
        output_kind=Classes,
        load=load_shuffled,
        unit="image",
        metric=Metric(name="accuracy"),
        metrics=(
            Metric(name="cross_entropy", unit="nats", higher_is_better=False),
            Metric(name="train_error", higher_is_better=False),
        ),
        floor=shuffled_floor,
        recipe={
            "optimizer": "adam",
            "lr": 1e-3,
            "schedule": "cosine",
            "batch_size": 32,
            "budget.epochs": 100,
            "evaluate_every": 20,
            "select": "last",
        },
        data=shuffled_files,
        preload=("sklearn.datasets", "sklearn.model_selection"),
        description="a control: the images of digits (or mnist, fashion_mnist) with the labels of training and "
        "validation permuted; train_error, how many labels aren't learnt by heart, can be 0 while accuracy on the true "
        "test labels is chance, on average over permutations",
    )
