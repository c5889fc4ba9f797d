"""The life of one cell: load, build, train, judge. Runs in a process of its own; what it returns becomes a record."""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..contract.choice import Choice
from ..contract.learner import Learner, Regularizer, Supervised, Task
from ..contract.optimizers import PartOptimizers
from ..contract.recipe import INIT, Recipe, resolve
from ..contract.runtime import Runtime
from ..contract.specs import ModelSpec, TaskSpec
from ..data import Data
from ..errors import NotApplicable
from ..plan.catalog import Catalog, Source, load_sources
from ..plan.content import content_digest
from .dividing import check_divisible
from .execution import Execution
from .judging import judge, pictures, samples
from .settings import Settings
from .sizing import fit_width
from .soundness import check_trainable, initialise
from .team import Several
from .training import Outcome, Trainer

Report = Callable[[dict[str, Any]], None]


@dataclass(kw_only=True)
class Bench:
    """A job made real: its specs, its loaded task, and how it executes."""

    catalog: Catalog
    model: ModelSpec
    model_options: Mapping[str, Any]
    task_spec: TaskSpec
    task: Task
    folds: int
    recipe: Recipe
    execution: Execution
    settings: Settings = field(default_factory=Settings)

    def fold(self, index: int) -> Task:
        """The task on one of its folds."""
        return self.task if self.folds == 1 else self.task.fold(index)  # type: ignore[attr-defined]

    def build(self, task: Task) -> tuple[Learner, PartOptimizers, list[Regularizer]]:
        """A fresh learner on the device, with its optimizers and regularizers. What building changes in the process is
        put back. Raises ContractError where the model can't be trained."""
        built = build_model(self.model, task, self.model_options)
        self.settings.restore()
        learner = initialise(as_learner(built, task), task, self.execution)
        check_trainable(learner)
        if self.recipe.init != INIT:
            choice = self.recipe.init
            self.catalog.initializer(choice.name).build(**dict(choice.options))(learner)
        learner = self.execution.place(learner)
        regularizers = [
            self.catalog.regularizer(choice.name).build(**dict(choice.options)) for choice in self.recipe.regularizers
        ]
        team = self.execution.team
        team.divide(learner, regularizers)
        optimizers = PartOptimizers(
            learner, self.recipe, self.catalog, regularizers, scale_for=self.execution.scale_for, team=team.sharing,
            clipping=team.clipping, capturable=self.execution.runtime.cuda_graph,
        )  # fmt: skip
        for regularizer in regularizers:
            regularizer.start(learner, task.signature, optimizers)
        self.settings.restore()
        return learner, optimizers, regularizers


def build_model(spec: ModelSpec, task: Task, options: Mapping[str, Any]) -> Any:
    """What the model's builder makes for a task's signature."""
    extra: dict[str, Any] = {"member": spec.member} if spec.member else {}
    if spec.inner is not None:
        inner, own = spec.inner
        extra["make"] = lambda: as_learner(build_model(inner, task, dict(own)), task)
    return spec.build(task.signature, **extra, **options)


def as_learner(built: Any, task: Task) -> Learner:
    """A builder's result as a learner: a plain module gets the task's loss."""
    if isinstance(built, Learner):
        return built
    if isinstance(built, nn.Module):
        return Supervised(built, task.loss, task.signature.output)
    raise TypeError(f"build returned {type(built).__name__}, not an nn.Module or a Learner")


def open_bench(job: Mapping[str, Any]) -> Bench:
    """Load what a job (as `execute` sends it) names."""
    runtime = Runtime(**job["runtime"])
    team = team_of(runtime, job["team"]) if job.get("team") else None
    execution = Execution(runtime, job["memory_bytes"] if runtime.device_type == "cuda" else None, team)
    settings = Settings()
    catalog = job.get("catalog") or load_sources(Source(**source) for source in job["sources"])
    loaded = {source.name for source in catalog.sources}
    for name, problem in catalog.problems.items():
        if name not in loaded:  # a plugin with another problem may still give what this job needs
            raise ImportError(f"the plugin {name} {problem}")
    model, task = Choice.parse(job["model"]), Choice.parse(job["task"])
    spec = catalog.task(task.name)
    data = Data(root=Path(job["data_root"]), cache=Path(job["cache"]), device=runtime.device)
    model_spec, options = catalog.model(model.name, model.options), dict(model.options)
    recipe = resolve([("job", job["recipe"])]).recipe
    with execution.team.in_turn():
        loaded_task = spec.open(data, dict(task.options))
    settings.restore()
    if execution.team.size > 1:
        check_divisible(loaded_task.signature)
        execution.team.output = loaded_task.signature.output
    if recipe.params is not None:

        def sized(width: int) -> Learner:
            built = build_model(model_spec, loaded_task, {**options, "width": width})
            return initialise(as_learner(built, loaded_task), loaded_task, execution)

        options["width"] = fit_width(sized, recipe.params)
    return Bench(
        catalog=catalog,
        model=model_spec,
        model_options=options,
        task_spec=spec,
        task=loaded_task,
        folds=spec.num_folds(dict(task.options)),
        recipe=recipe,
        execution=execution,
        settings=settings,
    )


def team_of(runtime: Runtime, given: Mapping[str, Any]) -> Several:
    """With whom this process trains."""
    if runtime.shard:
        try:
            from .sharding import Sharding
        except ImportError as error:
            raise NotApplicable(f"needs a newer torch than {torch.__version__} for --shard") from error
        return Sharding(device=torch.device(runtime.device), scaled=runtime.precision == "fp16", **given)
    return Several(device=torch.device(runtime.device), **given)


def run_cell(job: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Train and judge every fold of a cell; returns the result's part of the record."""
    start = time.perf_counter()
    bench = open_bench(job)
    gallery = Path(job["pictures"]) if job.get("pictures") else None
    content = content_digest(bench.fold(0), bench.recipe.batch_size) if job["generated"] else None
    loading = time.perf_counter() - start
    results = [_run_fold(bench, job["seed"], fold, report, gallery) for fold in range(bench.folds)]
    return summary(bench, job, results, loading, content)


def summary(
    bench: Bench, job: Mapping[str, Any], results: list[dict[str, Any]], loading: float, content: str | None
) -> dict[str, Any]:
    """A result's part of the record, from what its folds left. `loading`: seconds before the first of them."""
    folds = bench.folds
    combine = getattr(bench.task, "combine", None)
    fold_metrics = combine(results) if callable(combine) else [r["metrics"] for r in results]
    metrics = _mean(fold_metrics)
    metric = bench.task_spec.metric
    flags = []
    if bench.execution.is_cuda or bench.recipe.budget[0] == "seconds":
        flags.append("not_deterministic")
    if any(r["lost_state"] for r in results):
        flags.append("state_not_restored")
    if bench.settings.changed:
        flags.append("changed_global_state")
    warn = getattr(bench.task, "warnings", None)
    flags += sorted({str(flag) for flag in warn(metrics["test"])} if callable(warn) else ())
    phases = {key: sum(r["phases"][key] for r in results) for key in results[0]["phases"]}
    phases["setup_s"] += loading
    if bench.execution.is_cuda:
        phases["device_start_s"] = bench.execution.start_s
    return {
        "metrics": metrics,
        "fold_metrics": fold_metrics if folds > 1 else [],
        "curves": [r["curve"] for r in results],
        **({"members": _of_members(results)} if results[0]["members"] else {}),
        **({"samples": results[0]["samples"]} if results[0]["samples"] else {}),
        **({"pictures": results[0]["pictures"]} if results[0]["pictures"] else {}),
        **({"global_state": sorted(bench.settings.changed)} if bench.settings.changed else {}),
        "phases": phases,
        "params": results[0]["params"],
        **({"width": bench.model_options["width"]} if bench.recipe.params else {}),
        "epochs": sum(r["epochs"] for r in results) / folds,
        "steps": sum(r["steps"] for r in results),
        **({"replayed_steps": bench.execution.replayed} if bench.execution.runtime.cuda_graph else {}),
        "examples": sum(r["examples"] for r in results),
        "test_examples": sum(r["test_examples"] for r in results),
        "selected_step": None if callable(combine) else results[0]["selected_step"],
        "flags": [*flags, *_at_floor(bench.task_spec, Choice.parse(job["task"]), metrics["test"][metric.name])],
        "signature": str(bench.task.signature),
        **({"content_digest": content} if content else {}),
        **({"checksums": dict(made)} if (made := getattr(bench.task, "checksums", None)) else {}),
    }


def _run_fold(bench: Bench, seed: int, fold: int, report: Report, gallery: Path | None = None) -> dict[str, Any]:
    start = time.perf_counter()
    trainer = make_trainer(bench, bench.fold(fold), seed, fold, report)
    setup = time.perf_counter() - start
    return judged_fold(bench, trainer, trainer.fit(), fold, setup, gallery)


def make_trainer(bench: Bench, task: Task, seed: int, fold: int, report: Report) -> Trainer:
    """What trains a seed on a fold, `task`: its learner is built, and the global generators are the seed's."""
    folds = bench.folds
    seed_everything(seed, fold)
    learner, optimizers, regularizers = bench.build(task)
    bench.settings.restore_seed(stream_seed(seed, "model", fold))
    team = bench.execution.team
    team.scatter_draws(lambda stream: stream_seed(seed, stream, fold))
    metric = bench.task_spec.metric

    def progress(point: dict[str, Any], share: float) -> None:
        report({
            "share": (fold + share) / folds, "epoch": point["epoch"], "metric": metric.name,
            "value": point["val"][metric.name], "unit": metric.unit, "seconds": point["seconds"],
            "fold": fold, "point": point,
        })  # fmt: skip

    return Trainer(
        learner=learner, task=task, recipe=bench.recipe, metric=bench.task_spec.monitored, optimizers=optimizers,
        regularizers=regularizers, execution=bench.execution, report=progress,
        metrics=(metric, *bench.task_spec.metrics),
        order=torch.Generator().manual_seed(stream_seed(seed, "order", fold)),
        draws=torch.Generator().manual_seed(stream_seed(seed, f"task/{team.rank}" if team.rank else "task", fold)),
    )  # fmt: skip


def judged_fold(
    bench: Bench, trainer: Trainer, outcome: Outcome, fold: int, setup: float, gallery: Path | None = None
) -> dict[str, Any]:
    """What a fold leaves, judged after its training. `setup`: seconds before that. `gallery`: what the files of
    pictures begin with, where they are to be kept."""
    judging, task = time.perf_counter(), trainer.task
    metrics = {"val": trainer.judge("val")}
    metrics["test"], test_examples = trainer.judge_and_count("test")
    judged = trainer.judged
    first = bench.execution.team.rank == 0  # what the others would add nobody reads
    with bench.execution.team.whole(judged):
        members = [judge(member, task, "test", bench.execution) for member in getattr(judged, "members", ()) if first]
        texts = samples(judged, task, bench.execution) if first and fold == 0 else []
        drawn = pictures(judged, task, bench.execution) if first and gallery and fold == 0 else {}
    bench.settings.restore()
    outcome.phases["eval_s"] += time.perf_counter() - judging
    return {
        "metrics": metrics, "members": members, "samples": texts,
        "pictures": [_hang(gallery, *picture) for picture in drawn.items()],
        "curve": outcome.curve, "phases": {"setup_s": setup, **outcome.phases},
        "params": sum(p.numel() for p in judged.parameters()), "epochs": outcome.epochs, "steps": outcome.steps,
        "examples": outcome.examples, "selected_step": outcome.selected_step, "test_examples": test_examples,
        "lost_state": _lost_state(bench, outcome, metrics["val"]),
    }  # fmt: skip


def _hang(gallery: Path | None, name: str, image: Any) -> str:
    """Save a picture as PNG; returns the file's name."""
    from PIL import Image

    assert gallery is not None
    gallery.parent.mkdir(parents=True, exist_ok=True)
    file = gallery.with_name(f"{gallery.name}--{name}.png")
    Image.fromarray(image).save(file)
    return file.name


def _lost_state(bench: Bench, outcome: Outcome, val: Mapping[str, float]) -> bool:
    """Whether the state that was selected scores otherwise now: part of it wasn't in the state_dict."""
    name = bench.task_spec.monitored.name
    seen = [point["val"][name] for point in outcome.curve if point["step"] == outcome.selected_step]
    tolerance = 1e-3 if bench.execution.is_cuda else 1e-6
    return any(not math.isclose(value, val[name], rel_tol=tolerance, abs_tol=tolerance) for value in seen)


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


def _of_members(results: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Of each member of a learner made of learners, its metrics on test, as the mean over folds."""
    folds = [{str(i): metrics for i, metrics in enumerate(r["members"])} for r in results]
    return list(_mean(folds).values())


def _at_floor(spec: TaskSpec, task: Choice, value: float) -> list[str]:
    floor = spec.floor_of(dict(task.options))
    if floor is None:
        return []
    better = value > floor if spec.metric.higher_is_better else value < floor
    return [] if better and not math.isclose(value, floor, rel_tol=1e-6) else ["at_floor"]
