"""What a schedule, an average of the weights and clipping add to a training step: two learners alike take steps in
turns, one of them with the ingredient."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import pytest
import torch

from dlbench.contract.choice import Choice
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench.contract.runtime import Runtime
from dlbench.plan.catalog import Catalog, discover
from dlbench.train.cell import as_learner
from dlbench.train.execution import Execution
from dlbench.train.training import Stepper
from images import random_task
from loops import Resident
from turns import cpu_s

SHARE = 0.03
"""The most that an ingredient may add to a step of about a millisecond."""
STEPS, WARM_UP = 3000, 20
MODEL, SIZE = "lenet5", 8
INGREDIENTS: Mapping[str, Mapping[str, Any]] = {
    "cosine": {"schedule": "cosine"},
    "warm-up": {"schedule": "constant[warmup_share=0.1]"},
    "ema": {"regularizers": "ema"},
    "clip": {"clip": 1.0},
}


@pytest.mark.parametrize("name", INGREDIENTS)
@pytest.mark.benchmark(timer=time.process_time)
def test_share_of_a_step(benchmark, name: str) -> None:
    catalog, task = discover(), Resident(random_task(1, 28), SIZE)
    steps = [one_step(catalog, task, settings) for settings in ({}, INGREDIENTS[name])]
    found = benchmark.pedantic(in_pairs, (steps,), rounds=1, warmup_rounds=0)
    plain, more = median(plain for plain, _ in found), median(other - plain for plain, other in found)
    benchmark.extra_info |= {
        "step_ms": round(1e3 * plain, 3), "adds_us": round(1e6 * more, 1), "share": round(more / plain, 4),
    }  # fmt: skip
    assert more <= SHARE * plain, benchmark.extra_info


def one_step(catalog: Catalog, task: Any, settings: Mapping[str, Any]) -> Callable[[], Any]:
    """The step of the public loop, with what the loop does before it."""
    torch.manual_seed(0)
    choice, execution = Choice.parse(MODEL), Execution(Runtime())
    network = catalog.model(choice.name).build(task.signature, **dict(choice.options))
    recipe = resolve(
        [("benchmark", {"optimizer": "adam", "lr": 1e-3, "schedule": "constant", "budget.steps": STEPS, **settings})]
    ).recipe
    learner = execution.place(as_learner(network, task))
    regularizers = [catalog.regularizer(one.name).build(**dict(one.options)) for one in recipe.regularizers]
    optimizers = PartOptimizers(learner, recipe, catalog, regularizers)
    stepper = Stepper(learner, optimizers, regularizers, execution, torch.Generator().manual_seed(0))
    batches, progress, done = task.batches("train", SIZE, None), optimizers.progress, 0
    learner.train()

    def step() -> None:
        nonlocal done
        progress.step, progress.share = done, done / STEPS
        if optimizers.scheduled:
            optimizers.advance(progress)
        stepper(batches[done % len(batches)])
        done += 1

    return step


def in_pairs(steps: list[Callable[[], Any]]) -> list[tuple[float, float]]:
    """Seconds of both, which one goes first in turns."""
    plain, other = steps
    found = []
    for index in range(STEPS // 2):
        if index % 2:
            second, first = cpu_s(other), cpu_s(plain)
        else:
            first, second = cpu_s(plain), cpu_s(other)
        found.append((first, second))
    return found[WARM_UP:]
