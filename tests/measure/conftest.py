"""Real, tiny subjects to measure, and a clock that background load can't disturb."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlbench.contract.choice import Choice
from dlbench.contract.kinds import Classes, Signature, Vector
from dlbench.contract.learner import Batch, Learner, Supervised
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import Recipe
from dlbench.contract.specs import OptimizerSpec
from dlbench.data.batches import GatheredBatches
from dlbench.profile.subject import Subject


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _cheap_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full collection takes long in a test process, whose heap is large."""
    collect = gc.collect
    monkeypatch.setattr(gc, "collect", lambda: collect(1))


@pytest.fixture
def cpu_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the clock module read CPU time where it would read the wall's."""
    from dlbench.measure import clock

    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=time.process_time, process_time=time.process_time))


class Ingredients:
    """The catalog's part that `PartOptimizers` asks for."""

    def optimizer(self, name: str) -> OptimizerSpec:
        def build(params: Any, lr: float, **options: Any) -> torch.optim.Optimizer:
            return torch.optim.SGD(params, lr, momentum=0.9, **options)

        return OptimizerSpec(name=name, build=build)

    def schedule(self, name: str) -> Any:
        raise LookupError(name)


class Points:
    """Points and their classes, on a device: 70 for training (two full batches and a short one), 10 for testing."""

    def __init__(self, device: str = "cpu", before_batch: Callable[[], object] = lambda: None) -> None:
        self.signature = Signature(input=Vector(features=20), output=Classes(num_classes=3))
        generator = torch.Generator().manual_seed(1)
        self.points = torch.randn(80, 20, generator=generator).to(device)
        self.classes = torch.randint(3, (80,), generator=generator).to(device)
        self.device, self.before_batch = device, before_batch

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        start, stop = (0, 70) if split == "train" else (70, 80)
        points, classes = self.points[start:stop], self.classes[start:stop]

        def gather(index: Tensor) -> Batch:
            self.before_batch()
            return Batch(points[index], classes[index], size=len(index))

        return GatheredBatches(stop - start, batch_size, generator, gather, self.device)

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        return nn.functional.cross_entropy(outputs, batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        return {}


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 3))


@pytest.fixture
def points() -> type[Points]:
    return Points


@pytest.fixture
def make_subject() -> Callable[..., Subject]:
    """`make_subject(build_model=..., task=..., predict=..., device=...)`: a model on points, batches of 32."""

    def make(
        build_model: Callable[[], nn.Module] = mlp,
        task: Any = None,
        predict: Callable[[Learner, Batch], object] = lambda learner, batch: learner.predict(batch.inputs),
        device: str = "cpu",
    ) -> Subject:
        task = task or Points(device)

        def build() -> tuple[Learner, PartOptimizers]:
            torch.manual_seed(0)
            built = build_model()
            learner = (built if isinstance(built, Learner) else Supervised(built, task.loss)).to(device)
            return learner, PartOptimizers(learner, Recipe(optimizer=Choice("sgd"), lr=0.01), Ingredients())

        return Subject(
            build=build,
            task=task,
            signature=task.signature,
            batch_size=32,
            train_step=lambda learner, optimizers, batch: learner.train_step(batch, optimizers),
            predict=predict,
            device=device,
        )

    return make
