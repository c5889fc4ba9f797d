"""What torch compiles on the way is not on the training clock."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from torch import nn

from dlbench.contract.runtime import Runtime
from workshop import Blobs, fit, trainer

PAUSE_S = 0.4


class Slow(nn.Linear):
    """A network whose compilation takes its time."""

    def __init__(self) -> None:
        super().__init__(3, 2)
        self.compilations = 0

    def compile(self, **options: Any) -> None:
        def backend(graph: Any, examples: Any) -> Any:
            time.sleep(PAUSE_S)
            self.compilations += 1
            return graph

        super().compile(backend=backend, dynamic=False)


@pytest.fixture(autouse=True)
def _nothing_compiled() -> None:
    torch._dynamo.reset()


def test_a_shape_that_comes_later_is_compiled_off_the_clock() -> None:
    """Batches of 20, 20 and 8: the second shape comes in the third step."""
    network = Slow()
    outcome = fit(network, Blobs(), {"batch_size": 20, "budget.epochs": 3}, runtime=Runtime(compile=True))
    assert network.compilations >= 3  # two shapes in training, one in judging
    assert outcome.steps == 9
    assert outcome.phases["first_step_s"] >= PAUSE_S
    assert outcome.phases["compile_s"] >= PAUSE_S
    assert outcome.phases["train_s"] < PAUSE_S
    assert [point["seconds"] for point in outcome.curve] == sorted(point["seconds"] for point in outcome.curve)
    assert outcome.curve[-1]["seconds"] == outcome.phases["train_s"]


def test_a_budget_in_seconds_is_not_spent_on_compilation() -> None:
    outcome = fit(Slow(), Blobs(), {"batch_size": 20, "budget.seconds": 0.3}, runtime=Runtime(compile=True))
    assert outcome.phases["compile_s"] >= PAUSE_S
    assert 0.3 <= outcome.phases["train_s"] < 0.3 + PAUSE_S
    assert outcome.steps > 6


def test_a_model_that_compiles_itself_is_treated_alike() -> None:
    network = Slow()
    network.compile()
    outcome = fit(network, Blobs(), {"batch_size": 20, "budget.epochs": 2})
    assert outcome.phases["compile_s"] >= PAUSE_S
    assert outcome.phases["train_s"] < PAUSE_S


def test_without_compilation_that_phase_is_empty() -> None:
    run = trainer(nn.Linear(3, 2), Blobs(), {"batch_size": 20, "budget.epochs": 2})
    assert run.fit().phases["compile_s"] == 0.0
