"""The public training loop and the same loop written by hand, step by step in turns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import Batch, Metric
from dlbench.contract.choice import Choice
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench.contract.runtime import Runtime
from dlbench.plan.catalog import Catalog
from dlbench.train.cell import as_learner
from dlbench.train.execution import Execution
from dlbench.train.training import Trainer

LR = 1e-3
WARM_UP = 10


@dataclass
class Race:
    """Processor seconds of each step: `by_hand[i]`, then `trained[i]`, then `by_hand[i + 1]`, ..."""

    by_hand: list[float] = field(default_factory=list)
    trained: list[float] = field(default_factory=list)

    def step_s(self) -> float:
        """The step by hand."""
        return median(self.by_hand[WARM_UP:])

    def overhead_s(self) -> float:
        """What the Trainer's step takes beyond a step by hand: the median over its differences to the one before and to
        the one after. Where the two loops take the same time, differences of both signs are equally likely, however
        lopsided the machine's disturbances are; the difference to the mean of both neighbours would not be so."""
        neighbours = (self.by_hand, self.by_hand[1:])
        return median(
            trained - by_hand
            for side in neighbours
            for by_hand, trained in zip(side[WARM_UP:], self.trained[WARM_UP:], strict=False)
        )


class Shared:
    """A task that stands between the Trainer and a real task, and takes a step by hand before it gives out each batch.
    What passes between giving out a batch and being asked for the next one is the Trainer's."""

    def __init__(self, task: Any, steps: int, by_hand: Callable[[], None], fetch_counts: bool) -> None:
        self.task, self.steps, self.by_hand, self.fetch_counts = task, steps, by_hand, fetch_counts
        self.signature, self.loss, self.race = task.signature, task.loss, Race()

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Shared:
        self._endless = endless(self.task, batch_size, generator)
        return self

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        clock, race = time.process_time, self.race
        for _ in range(self.steps):
            start = clock()
            self.by_hand()
            race.by_hand.append(clock() - start)
            if self.fetch_counts:
                start = clock()
                batch = next(self._endless)
            else:
                batch = next(self._endless)
                start = clock()
            yield batch
            race.trained.append(clock() - start)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        return {"accuracy": 0.5}


class Resident:
    """A few batches that live in memory already, over and over. Two loops go through it half a turn apart, so that
    neither finds its batch in a cache that the other has just filled."""

    def __init__(self, task: Any, batch_size: int, count: int = 16) -> None:
        self.signature, self.loss = task.signature, task.loss
        batches = endless(task, batch_size, torch.Generator().manual_seed(0))
        self._batches = [next(batches) for _ in range(count)]
        self._turns = 0

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> list[Batch]:
        half = len(self._batches) // 2
        self._turns += 1
        return self._batches if self._turns % 2 else self._batches[half:] + self._batches[:half]


def endless(task: Any, batch_size: int, generator: torch.Generator | None) -> Iterator[Batch]:
    while True:
        yield from task.batches("train", batch_size, generator)


def race(
    catalog: Catalog,
    model: str,
    task: Any,
    *,
    steps: int,
    batch_size: int,
    batches_by_hand: Iterator[tuple[Tensor, Tensor]] | None = None,
) -> Race:
    """`steps` steps of each loop: fused Adam with a cosine schedule. `batches_by_hand`: the hand-written pipeline,
    where the pipelines take part; else both loops get their batches from `task` for free."""

    def build() -> nn.Module:
        torch.manual_seed(0)
        choice = Choice.parse(model)
        spec = catalog.model(choice.name)
        member = {"member": spec.member} if spec.member else {}
        return spec.build(task.signature, **member, **dict(choice.options))

    given = batches_by_hand or unpacked(task, batch_size)
    shared = Shared(task, steps, loop_by_hand(build(), given, steps), fetch_counts=batches_by_hand is not None)
    settings = {
        "optimizer": "adam", "lr": LR, "schedule": "cosine", "batch_size": batch_size, "select": "last",
        "budget.steps": steps, "evaluate_every": steps,
    }  # fmt: skip
    trainer(catalog, build(), shared, settings).fit()
    return shared.race


def unpacked(task: Any, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    return ((batch.inputs, batch.targets) for batch in endless(task, batch_size, None))


def loop_by_hand(network: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], steps: int) -> Callable[[], None]:
    """One step of the loop that somebody would write for this alone; like the Trainer, it adds the loss up for the
    curve without waiting for it."""
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=LR, fused=True)
    total = torch.zeros(())
    done = 0

    def step() -> None:
        nonlocal done, total
        inputs, targets = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = LR * 0.5 * (1 + math.cos(math.pi * done / steps))
        optimizer.zero_grad()
        loss = F.cross_entropy(network(inputs), targets)
        loss.backward()
        optimizer.step()
        total += loss.detach()
        done += 1

    return step


def trainer(catalog: Catalog, network: nn.Module, task: Any, settings: Mapping[str, Any]) -> Trainer:
    """The public loop, put together as a cell does."""
    execution, recipe = Execution(Runtime()), resolve([("benchmark", settings)]).recipe
    learner = execution.place(as_learner(network, task))
    return Trainer(
        learner=learner, task=task, recipe=recipe, metric=Metric(name="accuracy"), regularizers=[],
        optimizers=PartOptimizers(learner, recipe, catalog), execution=execution,
        order=torch.Generator().manual_seed(0), draws=torch.Generator().manual_seed(0),
    )  # fmt: skip
