"""Autocast covers forward and loss, and nothing else; recurrent layers run in float32 where it would not be true."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import Batch, Learner, Regularizer
from dlbench.contract import optimizers as stepping
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench.contract.runtime import Runtime
from dlbench.train.execution import Execution
from dlbench.train.training import Stepper
from workshop import Blobs, catalog, trainer

SEEN: list[tuple[str, bool]] = []
"""Where the code was, and whether autocast was on there."""


def note(where: str) -> None:
    SEEN.append((where, torch.is_autocast_enabled("cpu")))


class Noted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        note("forward")
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        note("backward")
        return gradient


class Notes(Regularizer):
    def penalty(self, parameters: list[nn.Parameter]) -> Tensor:
        note("penalty")
        return 1e-3 * sum(p.square().sum() for p in parameters)

    def on_gradients(self, parameters: list[nn.Parameter]) -> None:
        note("on_gradients")

    def after_step(self, learner: Learner) -> None:
        note("after_step")


class OneLoss(Learner):
    """The ordinary learner: a loss."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 2), nn.Linear(3, 2)

    def scored(self, network: nn.Module, batch: Batch) -> Tensor:
        outputs = Noted.apply(network(batch.inputs))
        note("loss")
        assert outputs.dtype == (torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32)
        return F.cross_entropy(outputs, batch.targets)

    def loss(self, batch: Batch) -> Tensor:
        return self.scored(self.first, batch) + self.scored(self.second, batch)


class OwnStep(OneLoss):
    """One with a step of its own, which computes its losses inside and outside of closures."""

    def parts(self) -> dict[str, Any]:
        return {"first": self.first.parameters(), "second": self.second.parameters()}

    def train_step(self, batch: Batch, optimizers: PartOptimizers) -> Tensor:
        optimizers.minimize(lambda: self.scored(self.first, batch), part="first")
        note("between")
        return optimizers.minimize(self.scored(self.second, batch), part="second")


@pytest.mark.parametrize(
    ("learner", "optimizer"), [(OneLoss, "adam"), (OneLoss, "lbfgs"), (OwnStep, "adam")], ids=lambda v: str(v)
)
def test_autocast_is_on_in_forward_and_loss_and_off_in_all_that_follows(
    learner: type[OneLoss], optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, regularizers = learner(), [Notes()]
    recipe = resolve([("test", {"optimizer": optimizer, "lr": 0.1, "clip": 1.0})]).recipe
    optimizers = PartOptimizers(built, recipe, catalog(), regularizers)
    for part in optimizers._all:
        part.optimizer.register_step_pre_hook(lambda *_: note("step"))
    clip = stepping.clip
    monkeypatch.setattr(stepping, "clip", lambda *a: (note("clip"), clip(*a)))
    SEEN.clear()
    execution = Execution(Runtime(precision="bf16"))
    step = Stepper(built, optimizers, regularizers, execution, torch.Generator())
    step(next(iter(Blobs().batches("train", 16, None))))
    inside = {"forward", "loss", *(["between"] if learner is OwnStep else [])}
    outside = {"backward", "penalty", "on_gradients", "clip", "step", "after_step"}
    assert set(SEEN) == {(where, True) for where in inside} | {(where, False) for where in outside}
    if optimizer == "lbfgs":
        assert SEEN.count(("forward", True)) > 2  # evaluated again and again within the step


class Recurrent(nn.Module):
    """Three numbers as three places of a sequence."""

    def __init__(self, cells: type[nn.RNNBase], packed: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.before, self.cells, self.after = nn.Linear(1, 8), cells(8, 8, batch_first=True), nn.Linear(8, 2)
        self.packed, self.dtypes = packed, set()

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.before(inputs[..., None])
        if self.packed:
            lengths = torch.full((len(x),), 3)
            hidden, _ = nn.utils.rnn.pad_packed_sequence(
                self.cells(nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True))[0], batch_first=True
            )
        else:
            hidden, _ = self.cells(x)
        self.dtypes.add((x.dtype, hidden.dtype))
        return self.after(hidden[:, -1])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cells", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_recurrent_layers_train_in_lowered_precision_with_their_recurrence_in_float32(
    cells: type[nn.RNNBase], packed: bool, precision: str, dtype: torch.dtype
) -> None:
    network = Recurrent(cells, packed)
    settings = {"optimizer": "adam", "lr": 0.02, "budget.steps": 40, "batch_size": 48, "evaluate_every": 20}
    outcome = trainer(network, Blobs(), settings, runtime=Runtime(precision=precision)).fit()
    assert network.dtypes == {(dtype, torch.float32)}
    assert outcome.curve[-1]["loss"] < 0.9 * outcome.curve[0]["loss"]
    assert outcome.curve[-1]["val"]["accuracy"] > 0.8


def test_the_rule_for_recurrences_is_there_for_cudas_autocast_too() -> None:
    """In a process of its own: a rule lasts as long as its process."""
    import subprocess
    import sys

    code = (
        "import torch; from dlbench.train.execution import recurrences_in_float32 as rule; rule('cuda');"
        "has = torch._C._dispatch_has_kernel_for_dispatch_key;"
        "print(*(has(f'aten::{n}.{o}', 'AutocastCUDA') for n in ('rnn_tanh', 'rnn_relu', 'gru', 'lstm')"
        " for o in ('input', 'data')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 8


@pytest.mark.parametrize("optimizer", ["adafactor", "adam"])
def test_a_step_in_fp16_leaves_weights_finite(optimizer: str) -> None:
    network = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2))
    settings = {"optimizer": optimizer, "lr": 0.05, "budget.steps": 30, "batch_size": 16}
    outcome = trainer(network, Blobs(), settings, runtime=Runtime(precision="fp16")).fit()
    assert all(p.isfinite().all() for p in network.parameters())
    assert outcome.curve[-1]["val"]["accuracy"] > 0.8


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("cells", [nn.RNN, nn.GRU, nn.LSTM])
def test_cudnns_recurrences_are_in_float32_under_bf16(cells: type[nn.RNNBase]) -> None:
    torch.manual_seed(0)
    layer, x = cells(8, 8, batch_first=True).cuda(), torch.randn(4, 5, 8, device="cuda")
    expected = layer(x)[0]
    with Execution(Runtime(device="cuda:0", precision="bf16")).autocast():
        found = layer(x)[0]
    found.sum().backward()
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
