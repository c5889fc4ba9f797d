"""The life of one cell: load, build, train, judge. Runs in a process of its own; what it returns becomes a record."""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .catalog import Catalog, Source, load_sources
from .choice import Choice
from .data import Data
from .execution import Execution
from .judging import judge
from .learner import Learner, Regularizer, Supervised, Task
from .optimizers import Optimizers
from .recipe import Recipe, resolve
from .runtime import Runtime
from .specs import ModelSpec, TaskSpec
from .training import Trainer

Report = Callable[[dict[str, Any]], None]


@dataclass(kw_only=True)
class Bench:
    """A job made real: its specs, its loaded task, and how it executes."""

    catalog: Catalog
    model: ModelSpec
    model_options: Mapping[str, Any]
    task_spec: TaskSpec
    task: Task
    recipe: Recipe
    execution: Execution

    def build(self, task: Task) -> tuple[Learner, Optimizers, list[Regularizer]]:
        """A fresh learner on the device, with its optimizers and regularizers."""
        extra = {"member": self.model.member} if self.model.member else {}
        built = self.model.build(task.signature, **extra, **self.model_options)
        learner = self.execution.place(as_learner(built, task))
        regularizers = [
            self.catalog.regularizer(choice.name).build(**dict(choice.options)) for choice in self.recipe.regularizers
        ]
        scale_for = self.execution.scale_for
        optimizers = Optimizers(learner, self.recipe, self.catalog, regularizers, scale_for=scale_for)
        return learner, optimizers, regularizers


def as_learner(built: Any, task: Task) -> Learner:
    """A builder's result as a learner: a plain module gets the task's loss."""
    if isinstance(built, Learner):
        return built
    if isinstance(built, nn.Module):
        return Supervised(built, task.loss)
    raise TypeError(f"build returned {type(built).__name__}, not an nn.Module or a Learner")


def open_bench(job: Mapping[str, Any]) -> Bench:
    """Load what a job (as `execute` sends it) names."""
    runtime = Runtime(**job["runtime"])
    execution = Execution(runtime, job["memory_bytes"] if runtime.device_type == "cuda" else None)
    catalog = load_sources(Source(**source) for source in job["sources"])
    loaded = {source.name for source in catalog.sources}
    for name, problem in catalog.problems.items():
        if name not in loaded:  # a plugin with another problem may still give what this job needs
            raise ImportError(f"the plugin {name} {problem}")
    model, task = Choice.parse(job["model"]), Choice.parse(job["task"])
    spec = catalog.task(task.name)
    data = Data(root=Path(job["data_root"]), cache=Path(job["cache"]), device=runtime.device)
    return Bench(
        catalog=catalog,
        model=catalog.model(model.name),
        model_options=dict(model.options),
        task_spec=spec,
        task=spec.load(data, **dict(task.options)),
        recipe=resolve([("job", job["recipe"])]).recipe,
        execution=execution,
    )


def run_cell(job: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Train and judge every fold of a cell; returns the result's part of the record."""
    start = time.perf_counter()
    bench = open_bench(job)
    loading = time.perf_counter() - start
    folds = bench.task_spec.folds
    results = [_run_fold(bench, job["seed"], fold, report) for fold in range(folds)]
    metrics = _mean([r["metrics"] for r in results])
    metric = bench.task_spec.metric
    flags = []
    if bench.execution.is_cuda or bench.recipe.budget[0] == "seconds":
        flags.append("not_deterministic")
    phases = {key: sum(r["phases"][key] for r in results) for key in results[0]["phases"]}
    phases["setup_s"] += loading
    return {
        "metrics": metrics,
        "fold_metrics": [r["metrics"] for r in results] if folds > 1 else [],
        "curves": [r["curve"] for r in results],
        "phases": phases,
        "params": results[0]["params"],
        "epochs": sum(r["epochs"] for r in results) / folds,
        "steps": sum(r["steps"] for r in results),
        "examples": sum(r["examples"] for r in results),
        "selected_step": results[0]["selected_step"],
        "flags": [*flags, *_at_floor(bench.task_spec, Choice.parse(job["task"]), metrics["test"][metric.name])],
        "signature": str(bench.task.signature),
    }


def _run_fold(bench: Bench, seed: int, fold: int, report: Report) -> dict[str, Any]:
    start = time.perf_counter()
    folds = bench.task_spec.folds
    task: Task = bench.task if folds == 1 else bench.task.fold(fold)  # type: ignore[attr-defined]
    seed_everything(seed, fold)
    learner, optimizers, regularizers = bench.build(task)
    metric = bench.task_spec.metric

    def progress(point: dict[str, Any], share: float) -> None:
        report({
            "share": (fold + share) / folds, "epoch": point["epoch"], "metric": metric.name,
            "value": point["val"][metric.name], "unit": metric.unit,
        })  # fmt: skip

    trainer = Trainer(
        learner=learner, task=task, recipe=bench.recipe, metric=metric, optimizers=optimizers,
        regularizers=regularizers, execution=bench.execution, report=progress,
        order=torch.Generator().manual_seed(stream_seed(seed, "order", fold)),
        draws=torch.Generator().manual_seed(stream_seed(seed, "task", fold)),
    )  # fmt: skip
    setup = time.perf_counter() - start
    outcome = trainer.fit()
    judging = time.perf_counter()
    metrics = {split: judge(trainer.judged, task, split, bench.execution) for split in ("val", "test")}
    outcome.phases["eval_s"] += time.perf_counter() - judging
    return {
        "metrics": metrics, "curve": outcome.curve, "phases": {"setup_s": setup, **outcome.phases},
        "params": sum(p.numel() for p in learner.parameters()), "epochs": outcome.epochs, "steps": outcome.steps,
        "examples": outcome.examples, "selected_step": outcome.selected_step,
    }  # fmt: skip


def seed_everything(seed: int, fold: int = 0) -> None:
    """Seed the global generators, torch's and those that plugins might use beside it."""
    torch.manual_seed(stream_seed(seed, "model", fold))
    random.seed(stream_seed(seed, "python", fold))
    np.random.seed(stream_seed(seed, "numpy", fold) % 2**32)


def stream_seed(seed: int, stream: str, fold: int = 0) -> int:
    """The seed of one of a cell's streams (model, order, task), so that none depends on how much another draws."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{stream}/{fold}".encode()).digest()[:7], "big")


def _mean(folds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """The mean over folds of each metric of each split."""
    first = folds[0]
    return {split: {m: sum(f[split][m] for f in folds) / len(folds) for m in first[split]} for split in first}


def _at_floor(spec: TaskSpec, task: Choice, value: float) -> list[str]:
    if task.options:
        return []
    better = value > spec.floor if spec.metric.higher_is_better else value < spec.floor
    return [] if better and not math.isclose(value, spec.floor, rel_tol=1e-6) else ["at_floor"]
