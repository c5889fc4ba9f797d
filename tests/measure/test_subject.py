"""A profiled step does what a step of training does: it makes anew what training makes anew for each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import pytest
import torch

from dlbench.contract.learner import Batch
from dlbench.contract.values import GraphBatch
from dlbench.plan.catalog import discover
from dlbench.profile.job import subject_of
from dlbench.profile.subject import Resident, Subject
from dlbench.train.cell import open_bench
from dlbench_gnn.structure import Structure
from workshop import message, planned

STEPS = 3


def subject_named(model: str, task: str, settings: dict[str, Any]) -> Subject:
    catalog = discover()
    return subject_of(open_bench(message(planned(model, task, settings, among=catalog), catalog)))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of edges of the structures that were made."""
    found: list[int] = []
    make = Structure.__init__

    def note(self: Structure, inputs: Any) -> None:
        found.append(inputs.edges.shape[1])
        make(self, inputs)

    monkeypatch.setattr(Structure, "__init__", note)
    return found


def rebuilds(made: list[int], call: Callable[[Batch], object], batches: Iterable[Batch]) -> int:
    before = len(made)
    for batch in batches:
        call(batch)
    return len(made) - before


@pytest.mark.parametrize(
    ("model", "task", "settings", "expected"),
    [
        ("gcn", "csl", {"batch_size": 32}, STEPS),  # other graphs in each batch
        ("gin", "csl", {"batch_size": 1000}, STEPS),  # one batch a pass, gathered anew in each
        ("gcn", "karate", {}, 1),  # one and the same graph in every batch
        ("gcn", "sbm_small[sampler=neighbour]", {"batch_size": 32}, STEPS),  # parts of it
        ("sgc", "karate", {"regularizers": "dropedge[rate=0.3]"}, STEPS),  # it loses other edges in each step
    ],
)
def test_structures_are_made_as_often_as_in_training(
    made: list[int], model: str, task: str, settings: dict[str, Any], expected: int
) -> None:
    subject = subject_named(model, task, settings)
    again = subject.resident()

    def counts(batches: Callable[[], Iterable[Batch]]) -> list[int]:
        learner, optimizers = subject.build()
        learner.train()
        train = rebuilds(made, lambda batch: subject.train_step(learner, optimizers, batch), batches())
        learner, _ = subject.build()
        learner.eval()
        return [train, rebuilds(made, lambda batch: subject.evaluate(learner, batch), batches())]

    counts(lambda: islice(subject.endless(), 1))  # the first call ever works on a copy, which is another graph
    in_training = counts(lambda: islice(subject.endless(), STEPS))
    profiled = counts(lambda: (again() for _ in range(STEPS)))
    assert in_training[0] == expected
    assert profiled == in_training


def test_a_resident_batch_is_the_same_memory_and_the_same_numbers() -> None:
    subject = subject_named("gcn", "csl", {"batch_size": 8})
    again = subject.resident()
    first, second = again(), again()
    for batch in (first, second):
        assert isinstance(batch.inputs, GraphBatch)
        assert batch.inputs.edges is not again.batch.inputs.edges
        assert batch.inputs.edges.data_ptr() == again.batch.inputs.edges.data_ptr()
        assert (batch.size, batch.targets is again.batch.targets) == (8, True)
    assert first.inputs.edges is not second.inputs.edges


def test_only_tensors_that_the_next_batch_has_too_stay_the_same() -> None:
    fixed = torch.eye(2).to_sparse_csr()
    batch, follows = ({"fixed": fixed, "drawn": (torch.zeros(3), 7)} for _ in range(2))
    inputs = Resident(Batch(batch), Batch(follows))().inputs
    assert inputs["fixed"] is fixed
    assert inputs["drawn"][0] is not batch["drawn"][0]
    assert inputs["drawn"][1] == 7
    renewed = Resident(Batch(fixed), Batch(torch.zeros(2)))().inputs
    assert renewed is not fixed
    assert renewed.layout == torch.sparse_csr


def test_writing_into_a_resident_batch_can_be_noticed() -> None:
    """A copy that shares memory shares the count of changes as well."""
    inputs = torch.zeros(3)
    again = Resident(Batch(inputs), Batch(torch.zeros(3)))
    again().inputs.add_(1)
    assert inputs._version == 1


def test_a_task_of_one_batch_has_a_resident_one(points: Any, make_subject: Any) -> None:
    task = points()
    task.batches = lambda *_: [Batch(task.points[:70], task.classes[:70], size=70)]
    assert make_subject(task=task).resident()().size == 70


def test_a_learner_that_is_averaged_can_be_profiled() -> None:
    """Averaging copies the learner; what calls the learner hangs on it and isn't copied."""
    subject = subject_named("perceptron", "digits", {"regularizers": "ema[decay=0.9]"})
    learner, optimizers = subject.build()
    batch = next(iter(subject.task.batches("train", 32, torch.Generator().manual_seed(0))))
    for _ in range(3):
        subject.train_step(learner, optimizers, batch)
    assert subject.predict(learner, batch).shape == (32, 10)  # type: ignore[attr-defined]
