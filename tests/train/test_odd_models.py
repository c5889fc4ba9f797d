"""Models of every odd kind are trained, or refused in a sentence of our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlbench import Batch, Learner
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.runtime import Runtime
from dlbench.errors import ContractError, Diverged, WrongShape
from dlbench.execute.child import sentence
from dlbench.plan.catalog import discover
from dlbench.train.cell import as_learner, open_bench
from dlbench.train.execution import Execution
from dlbench.train.soundness import check_trainable, initialise
from workshop import Blobs, cell, fit, message, planned, trainer

SETTINGS = {"batch_size": 16, "budget.epochs": 2}


class Returns(nn.Linear):
    """`change` makes what comes back out of logits (B, 2)."""

    def __init__(self, change: Callable[[Tensor], Any]) -> None:
        super().__init__(3, 2)
        self.change = change

    def forward(self, inputs: Tensor) -> Any:
        return self.change(super().forward(inputs))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda y: (y, y), "forward returned tuple, but classes[2] needs (16, 2) for this batch"),
        (lambda y: {"logits": y}, "forward returned dict, but classes[2] needs (16, 2) for this batch"),
        (lambda y: y[:, :1], "forward returned (16, 1), but classes[2] needs (16, 2) for this batch"),
        (lambda y: y.to(torch.cfloat), "forward returned complex numbers, but classes[2] needs real ones"),
    ],
)
def test_outputs_that_no_loss_can_read_are_refused_in_the_first_step(change: Any, text: str) -> None:
    task = Blobs()
    with pytest.raises(WrongShape) as raised:
        fit(Returns(change), task, SETTINGS)
    assert sentence(raised.value) == text
    assert task.judged == []


def test_outputs_that_go_wrong_in_evaluation_only_are_refused_there() -> None:
    class Late(Returns):
        def forward(self, inputs: Tensor) -> Any:
            outputs = nn.Linear.forward(self, inputs)
            return outputs if self.training else self.change(outputs)

    with pytest.raises(WrongShape, match=r"^predict returned \(32, 1\), but classes\[2\] needs \(32, 2\)"):
        fit(Late(lambda y: y[:, :1]), Blobs(), SETTINGS)
    with pytest.raises(Diverged, match="cross_entropy on val is nan"):
        fit(Late(lambda y: y * float("nan")), Blobs(), SETTINGS)


class Counts(Learner):
    """Needs no parameter: it brings its own step."""

    def predict(self, inputs: Tensor) -> Tensor:
        return torch.zeros(len(inputs), 2)

    def train_step(self, batch: Batch, optimizers: PartOptimizers) -> Tensor:
        return torch.zeros(())


def test_a_model_that_has_nothing_to_train_says_so() -> None:
    task = Blobs()
    with pytest.raises(ContractError, match=r"^the model has no parameters to train"):
        check_trainable(as_learner(nn.Flatten(), task))
    with pytest.raises(ContractError, match=r"^all parameters of the model are frozen"):
        check_trainable(as_learner(nn.Linear(3, 2).requires_grad_(False), task))
    half = nn.Sequential(nn.Linear(3, 3).requires_grad_(False), nn.Linear(3, 2))
    for fine in (half, Counts()):
        check_trainable(as_learner(fine, task))


def test_float64_parameters_are_named_where_they_fail() -> None:
    with pytest.raises(ContractError, match=r"^the model has float64 parameters, but its inputs are float32"):
        fit(nn.Linear(3, 2).double(), Blobs(), SETTINGS)

    class Converts(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(inputs.double())

    assert fit(Converts(3, 2).double(), Blobs(), SETTINGS).steps == 6


def test_other_errors_of_the_first_step_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        fit(nn.Linear(7, 2), Blobs(), SETTINGS)


def test_tied_and_complex_parameters_train() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.head = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2)
            self.second.weight = self.first.weight
            self.turn = nn.Parameter(torch.ones(3, dtype=torch.cfloat))

        def forward(self, inputs: Tensor) -> Tensor:
            return self.head((self.second(self.first(inputs)) * self.turn).abs())

    run = trainer(Tied(), Blobs(), {**SETTINGS, "budget.epochs": 20, "lr": 0.05})
    assert run.fit().curve[-1]["val"]["accuracy"] > 0.8


# --- lazy modules ---------------------------------------------------------------------------------------------


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.Dropout(0.5), nn.ReLU(), nn.LazyLinear(2))


def test_lazy_modules_get_their_sizes_without_moving_anything_else() -> None:
    task = Blobs()
    torch.manual_seed(1)
    learner = initialise(as_learner(lazy(), task), task, Execution(Runtime()))
    after = torch.random.get_rng_state()
    shapes = [tuple(p.shape) for p in learner.parameters()]
    assert shapes == [(8, 3), (8,), (8,), (8,), (2, 8), (2,)]
    norm = learner.module[1]  # type: ignore[index]
    assert (int(norm.num_batches_tracked), norm.running_mean.tolist()) == (0, [0.0] * 8)
    assert learner.training
    torch.manual_seed(1)
    nn.Linear(3, 8), nn.Linear(8, 2)
    assert torch.equal(torch.random.get_rng_state(), after)  # only the weights were drawn


def test_lazy_modules_that_evaluation_does_not_reach_are_refused() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.extra = nn.Linear(3, 2), nn.LazyLinear(2)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.head(inputs) + (self.extra(inputs) if self.training else 0)

    task = Blobs()
    with pytest.raises(ContractError, match="lazy modules that no forward pass gives a size"):
        initialise(as_learner(Half(), task), task, Execution(Runtime()))


MODELS = """
from dlbench import Classes, Image, ModelSpec

def lazy(signature, *, width=8):
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.ReLU(), nn.LazyLinear(10))

def eager(signature, *, width=8):
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

def frozen(signature):
    return eager(signature).requires_grad_(False)

def dlbench_models():
    for build in (lazy, eager, frozen):
        yield ModelSpec(name=build.__name__, build=build, accepts=[(Image, Classes)])
"""


def test_a_lazy_model_is_the_same_cell_as_one_with_sizes(tmp_path: Path) -> None:
    file = tmp_path / "models.py"
    file.write_text(MODELS)
    found = discover([str(file)])
    bodies = [cell(name, "digits", {"budget.epochs": 1}, among=found) for name in ("lazy", "eager")]
    assert bodies[0]["params"] == bodies[1]["params"] == 64 * 8 + 8 + 8 * 10 + 10
    assert bodies[0]["metrics"] == bodies[1]["metrics"]
    sized = cell("lazy", "digits", {"budget.steps": 1, "budget.params": 1000}, among=found)
    assert abs(sized["params"] - 1000) <= 40
    bench = open_bench(message(planned("frozen", "digits", among=found), found))
    with pytest.raises(ContractError, match="are frozen"):
        bench.build(bench.task)
