"""Weights & Biases, offline: a folder per cell, which `wandb sync` sends where its owner wants it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tracker import Tracker, needed, settings_of

STEP = "step"
"""Of training, which begins anew with each fold; the library's own only grows."""


class WandB(Tracker):
    def __init__(self, folder: Path, project: str) -> None:
        super().__init__(folder)
        os.environ["WANDB_ERROR_REPORTING"] = "false"  # before it is imported, which is when that begins
        self._wandb, self.project = needed("wandb", "wandb"), project
        self.folder.mkdir(parents=True, exist_ok=True)

    def begin(self, cell: Mapping[str, Any]) -> Any:
        quiet = self._wandb.Settings(
            silent=True, console="off", disable_git=True, disable_code=True, save_code=False, x_disable_stats=True,
            x_disable_meta=True,
        )  # fmt: skip
        run = self._wandb.init(
            mode="offline", dir=str(self.folder), project=self.project, group=cell["suite"], name=cell["name"],
            config=settings_of(cell), reinit="create_new", settings=quiet,
        )  # fmt: skip
        run.define_metric("*", step_metric=STEP)
        return run

    def write(self, run: Any, step: int, values: Mapping[str, float]) -> None:
        run.log({STEP: step, **values})

    def end(self, run: Any, record: Any, results: Mapping[str, float]) -> None:
        try:
            run.summary.update({**results, "status": record.status, "reason": record["reason"]})
        finally:
            run.finish(exit_code=0 if record.status == "ok" else 1)
