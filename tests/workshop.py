"""Small parts for tests of the core: a task in memory, a trainer for any learner, a cell in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import Batch, Classes, Metric, Signature, Vector
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench.contract.runtime import Runtime
from dlbench.data.batches import GatheredBatches
from dlbench.data.root import default_cache
from dlbench.execute.run import Limits, Runner
from dlbench.plan.catalog import Catalog, discover
from dlbench.plan.plan import Plan, Request, plan
from dlbench.results import Results
from dlbench.train.cell import as_learner, run_cell, stream_seed
from dlbench.train.execution import Execution
from dlbench.train.training import Outcome, Trainer

ACCURACY = Metric(name="accuracy")
LOSS = Metric(name="cross_entropy", unit="nats", higher_is_better=False)


@cache
def catalog() -> Catalog:
    """The installed plugins."""
    return discover()


class Blobs:
    """Two Gaussian blobs in three dimensions: 48 points to train on, 32 in each other split. `judged` notes the splits
    in the order in which they were judged."""

    signature = Signature(input=Vector(features=3), output=Classes(num_classes=2))

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(11)
        self.splits: dict[str, tuple[Tensor, Tensor]] = {}
        for split, count in {"train": 48, "val": 32, "test": 32}.items():
            labels = torch.arange(count) % 2
            points = torch.randn(count, 3, generator=generator) + 1.5 * labels[:, None]
            self.splits[split] = (points, labels)
        self.judged: list[str] = []

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        points, labels = self.splits[split]
        return GatheredBatches(
            len(labels), batch_size, generator, lambda i: Batch(inputs=points[i], targets=labels[i], size=len(i))
        )

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(outputs, batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        self.judged.append(split)
        (batch,) = self.batches(split, 32, None) if split != "train" else self.batches(split, 48, None)
        outputs = learner.predict(batch)
        right = (outputs.argmax(1) == batch.targets).float().mean()
        return {"accuracy": right.item(), "cross_entropy": self.loss(outputs, batch).item()}


class Scripted(Blobs):
    """Its validation metric follows a script, one value per evaluation; the test metric is the learner's `steps`."""

    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = iter(values)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        self.judged.append(split)
        return {"accuracy": next(self.values)}


def trainer(
    built: nn.Module,
    task: Any,
    settings: Mapping[str, Any],
    *,
    metric: Metric = ACCURACY,
    runtime: Runtime | None = None,
    seed: int = 0,
    report: Callable[[dict[str, Any], float], None] = lambda point, share: None,
) -> Trainer:
    """A trainer as a cell makes it."""
    execution = Execution(runtime or Runtime())
    recipe = resolve([("test", settings)]).recipe
    learner = execution.place(as_learner(built, task))
    regularizers = [catalog().regularizer(c.name).build(**dict(c.options)) for c in recipe.regularizers]
    optimizers = PartOptimizers(
        learner, recipe, catalog(), regularizers, scale_for=execution.scale_for, capturable=execution.runtime.cuda_graph
    )
    for regularizer in regularizers:
        regularizer.start(learner, task.signature, optimizers)
    return Trainer(
        learner=learner, task=task, recipe=recipe, metric=metric, regularizers=regularizers, execution=execution,
        optimizers=optimizers, report=report,
        order=torch.Generator().manual_seed(stream_seed(seed, "order")),
        draws=torch.Generator().manual_seed(stream_seed(seed, "task")),
    )  # fmt: skip


def fit(built: nn.Module, task: Any, settings: Mapping[str, Any], **more: Any) -> Outcome:
    """Train and say how it went."""
    return trainer(built, task, settings, **more).fit()


def planned(
    model: str, task: str, settings: Mapping[str, Any] | None = None, *, among: Catalog | None = None, **more: Any
) -> Plan:
    """The plan of one cell with seed 0; `more` are fields of the request."""
    fields: dict[str, Any] = {"data_root": Path("no-data"), "seeds": (0,), "profiles": False, **more}
    request = Request(models=(model,), tasks=(task,), settings=settings or {}, cache=default_cache(), **fields)
    return plan(among or catalog(), request)


def message(made: Plan, among: Catalog | None = None, data_root: Path = Path("no-data")) -> dict[str, Any]:
    """What a child gets for the plan's one job."""
    runner = Runner(
        catalog=among or catalog(), results=Results(Path("no-results")), display=None, limits=Limits(),  # type: ignore[arg-type]
        data_root=data_root, cache=default_cache(), command="test",
    )  # fmt: skip
    (job,) = made.jobs
    return {**runner._message(job), **asdict(runner.limits)}


def cell(
    model: str, task: str, settings: Mapping[str, Any] | None = None, *, among: Catalog | None = None, **more: Any
) -> dict[str, Any]:
    """Plan and run one cell in this process; its part of the record."""
    made = planned(model, task, settings, among=among, **more)
    return run_cell(message(made, among), lambda point: None)
