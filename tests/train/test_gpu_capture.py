"""A real CUDA graph of the step: within rounding what ordinary steps give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from dlbench import Batch, Learner
from dlbench.contract.runtime import Runtime
from dlbench.errors import NotApplicable
from dlbench.measure.devices import ask, hinted
from dlbench.train.cell import run_cell
from workshop import Blobs, message, planned, trainer

USABLE = hinted() and ask("cuda:0").why_not is None
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not USABLE, reason="needs a CUDA device")]
TOLERANCE = 1e-3
"""Of the mean loss of ten steps, relative: rates are float32 on the device, where sums have no fixed order either."""
PAIRS = {
    "SGD with momentum": ("lenet5", "digits", {"optimizer": "sgd[momentum=0.9]", "lr": 0.02}),
    "Adam with a schedule": ("mlp", "digits", {"optimizer": "adam", "schedule": "cosine", "clip": 1.0}),
    "bf16": ("resnet20", "digits", {"optimizer": "adamw", "schedule": "cosine"}),
    "an RNN": ("lstm[width=32]", "adding[length=20]", {"optimizer": "adam"}),
    "a transformer": ("encoder[width=32]", "adding[length=20]", {"optimizer": "adamw"}),
    "a whole graph": ("gcn[width=16,dropout=0.0]", "karate", {"optimizer": "adam"}),
    "two players": ("gan", "ring8", {"optimizer": "adam"}),
}


@pytest.fixture(autouse=True)
def _stream() -> Iterator[None]:
    yield
    torch.cuda.synchronize()
    torch.cuda.set_stream(torch.cuda.default_stream())


def cell(model: str, task: str, settings: dict[str, Any], graph: bool, precision: str) -> dict[str, Any]:
    runtime = Runtime(device="cuda:0", precision=precision, cuda_graph=graph)
    given = {**settings, "budget.steps": 50, "evaluate_every": 10}
    return run_cell(message(planned(model, task, given, runtime=runtime)), lambda point: None)


@pytest.mark.parametrize("pair", PAIRS)
def test_fifty_steps_agree(pair: str) -> None:
    model, task, settings = PAIRS[pair]
    precision = "bf16" if pair == "bf16" else "fp32"
    eager, graph = (cell(model, task, settings, recorded, precision) for recorded in (False, True))
    assert graph["replayed_steps"] >= 40
    losses = [[point["loss"] for point in made["curves"][0]] for made in (eager, graph)]
    assert losses[1] == pytest.approx(losses[0], rel=3e-2 if precision == "bf16" else TOLERANCE, abs=1e-4)


class Waiting(Learner):
    """Asks the device for a number in each step."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(3, 2)

    def loss(self, batch: Batch) -> torch.Tensor:
        loss = torch.nn.functional.cross_entropy(self.inner(batch.inputs), batch.targets)
        return loss * (2.0 if loss.item() > 1e9 else 1.0)


class There(Blobs):
    """The blobs on the GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.splits = {name: (x.cuda(), y.cuda()) for name, (x, y) in self.splits.items()}


def test_a_step_that_waits_is_a_skip_in_a_sentence() -> None:
    made = trainer(Waiting(), There(), {"batch_size": 16}, runtime=Runtime(device="cuda:0", cuda_graph=True))
    with pytest.raises(NotApplicable, match=r"its step can't be recorded as a CUDA graph: CUDA error: .*captur"):
        made.fit()
