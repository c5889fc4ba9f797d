"""Sentences of different lengths: batches of about equal ones beside batches filled up to the longest in the set.

Needs the data root (DLBENCH_DATA) with ATIS.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
import torch

from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench.contract.runtime import Runtime
from dlbench.data import Data
from dlbench.data.root import default_cache, default_root
from dlbench.plan.catalog import Catalog, discover
from dlbench.testing.kit import available
from dlbench.train.cell import as_learner, build_model
from dlbench.train.execution import Execution
from dlbench.train.training import Stepper
from turns import cpu_s, in_turns

TASK, ROUNDS = "atis_slots", 5


@pytest.fixture(scope="module")
def found() -> Catalog:
    catalog = discover()
    if not available(catalog.task(TASK)):
        pytest.skip("ATIS isn't in the data root")
    return catalog


def epoch(catalog: Catalog, *, bucket: bool) -> tuple[Callable[[], None], float]:
    """One training epoch of a GRU by the task's own recipe, whose network and order start alike each time; and the
    share of its places that hold words."""
    spec = catalog.task(TASK)
    task: Any = spec.open(Data(root=default_root(), cache=default_cache()), {"bucket": bucket})
    recipe, execution = resolve([("task", spec.recipe)]).recipe, Execution(Runtime())

    def batches() -> Any:
        return task.batches("train", recipe.batch_size, torch.Generator().manual_seed(0))

    def run() -> None:
        torch.manual_seed(0)
        learner = as_learner(build_model(catalog.model("gru"), task, {}), task)
        learner.train()
        optimizers = PartOptimizers(learner, recipe, catalog, [], scale_for=execution.scale_for)
        step = Stepper(learner, optimizers, [], execution, torch.Generator())
        for batch in batches():
            step(batch)

    places = [(batch.size, batch.inputs.ids.numel()) for batch in batches()]
    return run, sum(words for words, _ in places) / sum(count for _, count in places)


@pytest.mark.benchmark(timer=time.process_time)
def test_an_epoch_of_labelling(benchmark: Any, found: Catalog) -> None:
    """Batches, word dropout and training steps; the median over rounds of how much longer the padded epoch takes."""
    (bucketed, full), (padded, thin) = epoch(found, bucket=True), epoch(found, bucket=False)
    readings = in_turns({"padded": lambda: cpu_s(padded), "bucketed": lambda: cpu_s(bucketed)}, ROUNDS)
    benchmark.pedantic(bucketed, rounds=1)
    faster = median(a / b for a, b in zip(readings["padded"], readings["bucketed"], strict=True))
    benchmark.extra_info |= {
        "bucketed_s": round(median(readings["bucketed"]), 2), "padded_s": round(median(readings["padded"]), 2),
        "words_in_bucketed": round(full, 3), "words_in_padded": round(thin, 3), "times_faster": round(faster, 2),
    }  # fmt: skip
    assert full > thin, benchmark.extra_info
    assert faster >= 2, benchmark.extra_info
