"""What all trackers share: one run per cell, its curve as it grows, and in the end what the record says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from dlbench import UsageError


def needed(module: str, extra: str) -> Any:
    """A library that comes with one of dlbench's extras; raises UsageError where it isn't installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is missing: pip install 'dlbench[{extra}]'") from error


class Tracker(ABC):
    """Observes cells: points of a curve that weren't written live are written when the cell ends. Profiles are not
    written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._open: dict[str, tuple[Any, Counter[int]]] = {}

    @abstractmethod
    def begin(self, cell: Mapping[str, Any]) -> Any:
        """Start the run of a cell, in place of an older one of the same name."""

    @abstractmethod
    def write(self, run: Any, step: int, values: Mapping[str, float]) -> None:
        """A point of a curve."""

    @abstractmethod
    def end(self, run: Any, record: Any, results: Mapping[str, float]) -> None:
        """Close a run: whether it ended ok and why not, and its results."""

    def dlbench_cell_progress(self, cell: Mapping[str, Any], fold: int, point: Mapping[str, Any]) -> None:
        run, written = self._run(cell)
        self._write(run, fold, point, cell["task"]["folds"])
        written[fold] += 1

    def dlbench_cell_finished(self, record: Any) -> None:
        if record.is_profile:
            return
        run, written = self._run(record.body)
        del self._open[record.name]
        try:
            for fold, curve in enumerate(record.get("curves") or []):
                for point in curve[written[fold] :]:
                    self._write(run, fold, point, record["task"]["folds"])
        finally:
            self.end(run, record, results_of(record))

    def _run(self, cell: Mapping[str, Any]) -> tuple[Any, Counter[int]]:
        if cell["name"] not in self._open:
            self._open[cell["name"]] = self.begin(cell), Counter()
        return self._open[cell["name"]]

    def _write(self, run: Any, fold: int, point: Mapping[str, Any], folds: int) -> None:
        prefix = f"fold_{fold}/" if folds > 1 else ""
        values = {"loss": point["loss"], **{f"val/{name}": value for name, value in point["val"].items()}}
        self.write(run, point["step"], {f"{prefix}{name}": float(value) for name, value in values.items()})


def settings_of(cell: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """What was run: names and options, seed, recipe, runtime. What is None is left out."""
    model, task = cell["model"], cell["task"]
    found = {
        "model": model["name"], "model.options": model["options"], "task": task["name"],
        "task.options": task["options"], "suite": cell["suite"], "variant": cell["variant"], "seed": cell["seed"],
        "treatment": (cell.get("treatment") or {}).get("name"), **cell["recipe"],
        **{f"runtime.{key}": value for key, value in cell["runtime"].items()},
    }  # fmt: skip
    plain = {key: value if isinstance(value, (str, int, float)) else str(value) for key, value in found.items()
             if value is not None}  # fmt: skip
    return {key: value for key, value in plain.items() if value != ""}


def results_of(record: Any) -> dict[str, float]:
    """The figures of a record: metrics on each split, size, length and time of training."""
    metrics = {
        f"{split}/{name}": value
        for split, part in (record.get("metrics") or {}).items()
        for name, value in part.items()
    }
    others = {key: record.get(key) for key in ("params", "epochs", "steps")}
    times = {"train_s": (record.get("phases") or {}).get("train_s")}
    return {key: float(value) for key, value in {**metrics, **others, **times}.items() if value is not None}
