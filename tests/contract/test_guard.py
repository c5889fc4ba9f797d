"""A model that works in place on its input never changes what a task shows again."""

from __future__ import annotations

from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import Batch, Graph, GraphBatch, Learner, NodeClasses, Regularizer, TokenBatch, TokenSequence
from dlbench.contract.guard import copied, tensors_in
from dlbench.contract.kinds import Signature
from dlbench.decoding import generate
from dlbench.errors import ContractError
from dlbench.profile.job import subject_of
from dlbench.train.cell import open_bench
from workshop import Blobs, fit, message, planned, trainer

SETTINGS = {"batch_size": 16, "budget.epochs": 3, "lr": 0.1}


class Scaling(nn.Linear):
    """Scales its input first; in place or not, in the modes that are named."""

    def __init__(self, in_place: tuple[bool, ...] = ()) -> None:
        torch.manual_seed(5)
        super().__init__(3, 2)
        self.in_place = in_place

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = inputs.sub_(0.5).mul_(0.1) if self.training in self.in_place else (inputs - 0.5) * 0.1
        return super().forward(inputs)


class Whole(Blobs):
    """Shows its own tensors in every pass."""

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
        points, labels = self.splits[split]
        return [Batch(inputs=points, targets=labels, size=len(labels))]


class Slices(Blobs):
    """Shows views of its own tensors."""

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
        points, labels = (part.split(16 if split == "train" else 32) for part in self.splits[split])
        return [Batch(inputs=p, targets=t, size=len(t)) for p, t in zip(points, labels, strict=True)]


class OneGo(Blobs):
    """Gathers training batches, and keeps those of the other splits."""

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
        kind = Blobs if split == "train" else Whole
        return kind.batches(self, split, batch_size, generator)


@pytest.mark.parametrize("kind", [Whole, Slices, OneGo, Blobs])
@pytest.mark.parametrize("modes", [(True,), (False,), (True, False)], ids=["training", "judging", "both"])
def test_a_model_that_works_in_place_trains_as_one_that_does_not(kind: type[Blobs], modes: tuple[bool, ...]) -> None:
    outcomes = []
    for in_place in ((), modes):
        task = kind()
        before = {split: [t.clone() for t in tensors] for split, tensors in task.splits.items()}
        run = trainer(Scaling(in_place), task, SETTINGS)
        outcomes.append([(point["loss"], point["val"]) for point in run.fit().curve] + [run.judge("test")])
        for split, tensors in task.splits.items():
            assert all(map(torch.equal, tensors, before[split]))
    assert outcomes[0] == outcomes[1]


def test_a_regularizer_that_works_in_place_changes_no_data() -> None:
    class Shift(Regularizer):
        def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
            batch.inputs.add_(1.0)
            return batch

    task = Whole()
    before = task.splits["train"][0].clone()
    run = trainer(Scaling(), task, SETTINGS)
    run.regularizers = [Shift()]
    run.fit()
    assert torch.equal(task.splits["train"][0], before)


def test_a_change_that_comes_late_ends_the_cell() -> None:
    class Late(Learner):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.steps = Scaling(), 0

        def predict(self, inputs: Tensor) -> Tensor:
            return self.net(inputs)

        def loss(self, batch: Batch) -> Tensor:
            self.steps += 1
            if self.steps == 3:
                batch.targets.zero_()
            return F.cross_entropy(self.net(batch.inputs), batch.targets)

    with pytest.raises(ContractError, match=r"after having left it alone.*x = x.clone\(\)"):
        fit(Late(), Whole(), SETTINGS)


def test_an_optimizer_that_evaluates_a_batch_several_times_refuses_a_model_in_place() -> None:
    settings = {**SETTINGS, "optimizer": "lbfgs", "lr": 1}
    fit(Scaling(), Whole(), settings)
    with pytest.raises(ContractError, match="its optimizer evaluates a batch several times"):
        fit(Scaling((True,)), Whole(), settings)


def test_writing_shows_the_same_source_for_every_token() -> None:
    class Doubling(Learner):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[Tensor] = []

        def predict(self, inputs: Any) -> Tensor:
            inputs.ids.mul_(2)
            self.seen.append(inputs.ids.clone())
            return torch.zeros(*inputs.previous.shape, 5)

    source = TokenBatch(torch.tensor([[1, 2]]), previous=torch.zeros(1, 1, dtype=torch.int64))
    learner = Doubling()
    generate(learner, source, TokenSequence(vocab=5, length=4, start=3, end=4))
    assert len(learner.seen) == 4
    assert all(torch.equal(ids, torch.tensor([[2, 4]])) for ids in learner.seen)
    assert source.ids.tolist() == [[1, 2]]


MODEL = """
from dlbench import Classes, Image, ModelSpec

def build(signature):
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 10)

        def forward(self, inputs):
            return self.linear(inputs.mul_(0.5).flatten(1))

    return Net()

def dlbench_models():
    yield ModelSpec(name="halving", build=build, accepts=[(Image, Classes)])
"""


def test_the_batch_that_a_profile_keeps_stays_as_it_is(tmp_path: Any) -> None:
    from dlbench.plan.catalog import discover

    file = tmp_path / "halving.py"
    file.write_text(MODEL)
    found = discover([str(file)])
    subject = subject_of(open_bench(message(planned("halving", "digits", among=found), found)))
    learner, optimizers = subject.build()
    batch = subject.first_batch()
    before = batch.inputs.clone()
    for _ in range(3):
        subject.train_step(learner, optimizers, batch)
    learner.eval()
    for _ in range(2):
        subject.evaluate(learner, batch)
    assert torch.equal(batch.inputs, before)


def sparse(layout: str) -> Tensor:
    dense = torch.eye(3)
    return dense.to_sparse_csr() if layout == "csr" else dense.to_sparse()


@pytest.mark.parametrize("layout", ["csr", "coo"])
def test_the_values_of_a_sparse_tensor_are_guarded(layout: str) -> None:
    class Sparse(Whole):
        signature = Signature(input=Graph(node_features=3), output=NodeClasses(num_classes=2))

        def __init__(self) -> None:
            super().__init__()
            self.nodes = sparse(layout)

        def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
            nowhere = torch.zeros(2, 0, dtype=torch.int64)
            graph = GraphBatch(self.nodes, nowhere, None, torch.zeros(3, dtype=torch.int64), 1)
            return [Batch(inputs=graph, targets=torch.tensor([0, 1, 1]), size=3)]

        def judge(self, learner: Any, split: str) -> dict[str, float]:
            return {"accuracy": 0.5}

    class Net(nn.Linear):
        def forward(self, inputs: Any) -> Tensor:
            nodes = inputs.nodes
            (nodes.values() if layout == "csr" else nodes._values()).mul_(2)
            return torch.sparse.mm(nodes, self.weight.t())

    task = Sparse()
    fit(Net(3, 2, bias=False), task, SETTINGS)
    assert torch.equal(task.nodes.to_dense(), torch.eye(3))


def test_every_tensor_of_a_batch_is_found_and_copied_once() -> None:
    base = torch.arange(6.0)
    pair = namedtuple("pair", "first second")
    value = pair([base[:2], {"a": base[2:4]}], SimpleNamespace(x=base[4:], y=base[4:], size=3))
    batch = Batch(inputs=value, targets=torch.zeros(2), mask=None, size=2)
    found = tensors_in(batch)
    assert [t.tolist() for t in found] == [[0, 1], [2, 3], [4, 5], [4, 5], [0, 0]]
    mine = copied(batch)
    assert type(mine.inputs) is pair
    for tensor in tensors_in(mine):
        tensor.add_(10)
        assert tensor.untyped_storage().nbytes() == 8  # not the whole of which it was a part
    assert base.tolist() == [0, 1, 2, 3, 4, 5]
