"""What torch compiles on the way is not on the training clock."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlbench.contract.runtime import Runtime
from dlbench.train.cell import as_learner
from dlbench.train.execution import Execution
from dlbench.train.judging import Evaluator
from workshop import Blobs, fit, trainer

PAUSE_S = 0.4


class Slow(nn.Linear):
    """A network whose compilation takes its time."""

    def __init__(self) -> None:
        super().__init__(3, 2)
        self.compilations, self.options = 0, dict[str, Any]()

    def compile(self, **options: Any) -> None:
        self.options = options

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


def test_the_mode_reaches_torch() -> None:
    for mode in ("default", "max-autotune"):
        network = Slow()
        trainer(network, Blobs(), {"batch_size": 20}, runtime=Runtime(compile=True, compile_mode=mode))
        assert network.options == {"mode": mode}


def test_a_mode_of_torchs_own_compiler_gives_what_eager_does() -> None:
    losses = []
    for runtime in (Runtime(), Runtime(compile=True, compile_mode="reduce-overhead")):
        torch.manual_seed(5)
        outcome = fit(nn.Linear(3, 2), Blobs(), {"batch_size": 16, "budget.epochs": 3}, runtime=runtime)
        losses.append([point["loss"] for point in outcome.curve])
    assert outcome.phases["first_step_s"] > 0
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 1
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


class Reused(nn.Module):
    """Answers in the same memory again and again, as a compiled network does where CUDA graphs replay it."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(2))
        self.answer = torch.zeros(16, 2)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        answer = self.answer.copy_(x[:, :2].detach())
        return (answer, answer) if not torch.is_grad_enabled() else (answer + self.bias, answer)


class Segments(Blobs):
    """Its batches go on from one another."""

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
        found = [*super().batches(split, 16, generator)]
        for place, batch in enumerate(found):
            batch.continues = place > 0
        return found


@pytest.mark.parametrize("reuses", [False, True])
def test_what_lies_in_memory_that_is_used_again_is_copied(reuses: bool) -> None:
    task, execution = Segments(), Execution(Runtime())
    execution.reuses_outputs = reuses
    learner = as_learner(Reused(), task)
    learner = execution.place(learner)
    first, second = task.batches("val", 16, None)
    for batch in (first, second):
        learner.loss(batch)
        learner._carry.commit()
    assert torch.equal(learner._carry._state, second.inputs[:, :2])
    learner.loss(first)  # writes where the state would lie
    assert torch.equal(learner._carry._state, second.inputs[:, :2]) == reuses
    evaluator = Evaluator(learner, task.signature, execution)
    with torch.no_grad():
        kept = [evaluator.predict(batch) for batch in (first, second)]
    assert torch.equal(kept[0], first.inputs[:, :2]) == reuses
