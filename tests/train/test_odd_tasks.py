"""Tasks whose batches or metrics are odd end with a sentence, at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dlbench import Batch, Metric
from dlbench.errors import ContractError, Diverged
from dlbench.execute.child import sentence
from dlbench.profile.subject import Subject
from workshop import ACCURACY, LOSS, Blobs, fit, trainer

SETTINGS = {"batch_size": 16, "budget.epochs": 3}


class Odd(Blobs):
    """`passes` makes the training batches out of the right ones; `scores` the metrics."""

    def __init__(self, passes: Any = lambda batches: batches, scores: Any = None) -> None:
        super().__init__()
        self.passes, self.scores = passes, scores

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
        batches = super().batches(split, batch_size, generator)
        return self.passes(list(batches)) if split == "train" else batches

    def judge(self, learner: Any, split: str) -> dict[str, Any]:
        return super().judge(learner, split) if self.scores is None else self.scores


class OnePass:
    """The same iterator for every pass."""

    def __init__(self, batches: list[Batch]) -> None:
        self.left = iter(batches)

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Any:
        return self.left


class Says:
    """Says that it holds another number of batches than it does."""

    def __init__(self, batches: list[Batch], said: int) -> None:
        self.batches, self.said = batches, said

    def __len__(self) -> int:
        return self.said

    def __iter__(self) -> Any:
        return iter(self.batches)


def test_a_training_split_without_batches_fails_at_once() -> None:
    with pytest.raises(ContractError, match=r"^the training split gives no batches$"):
        fit(torch.nn.Linear(3, 2), Odd(lambda batches: []), SETTINGS)


def test_an_iterator_that_is_used_up_after_one_pass_fails_at_once() -> None:
    kept: list[OnePass] = []

    def passes(batches: list[Batch]) -> OnePass:
        kept.append(kept[0] if kept else OnePass(batches))
        return kept[0]

    with pytest.raises(ContractError, match=r"^the training split gives no batches$"):
        fit(torch.nn.Linear(3, 2), Odd(passes), SETTINGS)
    assert len(kept) == 2


@pytest.mark.parametrize(("said", "given"), [(30, 3), (2, 3)])
def test_epochs_are_never_counted_by_a_wrong_length(said: int, given: int) -> None:
    with pytest.raises(ContractError, match=f"says it has {said} batches, but gives {given}"):
        fit(torch.nn.Linear(3, 2), Odd(lambda batches: Says(batches, said)), SETTINGS)


def test_batches_without_a_length_are_refused() -> None:
    with pytest.raises(ContractError, match=r"the batches of the training split have no len\(\)"):
        fit(torch.nn.Linear(3, 2), Odd(lambda batches: iter(batches)), SETTINGS)


def test_a_profile_of_a_split_without_batches_fails_at_once() -> None:
    nothing: Any = None
    task = Odd(lambda batches: [])
    subject = Subject(
        build=nothing, task=task, signature=task.signature, batch_size=4, train_step=nothing, predict=nothing
    )
    for pull in (subject.first_batch, lambda: next(subject.endless())):
        with pytest.raises(ContractError, match="gives no batches"):
            pull()


@pytest.mark.parametrize(
    ("scores", "kind", "text"),
    [
        ({"accuracy": 97.0}, ContractError, "accuracy on val is 97, but a fraction lies between 0 and 1"),
        ({"accuracy": -0.1}, ContractError, "accuracy on val is -0.1, but a fraction lies between 0 and 1"),
        ({"accuracy": 0.5, "f1": 50.0}, ContractError, "f1 on val is 50, but a fraction lies between 0 and 1"),
        ({"acc": 0.5}, ContractError, "judge left out the metric accuracy: it returned acc"),
        ({}, ContractError, "judge left out the metric accuracy: it returned nothing"),
        ({"accuracy": None}, ContractError, "accuracy on val is None, not a number"),
        ({"accuracy": 0.5, "loss": float("nan")}, Diverged, "loss on val is nan"),
    ],
    ids=str,
)
def test_a_metric_that_cannot_be_is_refused_with_a_sentence(scores: Any, kind: type[Exception], text: str) -> None:
    run = trainer(torch.nn.Linear(3, 2), Odd(scores=scores), SETTINGS)
    run.metrics = (ACCURACY, Metric(name="f1"), LOSS)
    with pytest.raises(kind) as raised:
        run.fit()
    assert sentence(raised.value) == text


@pytest.mark.parametrize("value", [torch.tensor(1.0), 1.0 + 1e-9, 0, True])
def test_a_metric_may_be_any_number_up_to_rounding(value: Any) -> None:
    run = trainer(torch.nn.Linear(3, 2), Odd(scores={"accuracy": value, "margin": -7.0}), SETTINGS)
    assert run.fit().curve[0]["val"] == {"accuracy": pytest.approx(float(value)), "margin": -7.0}


def test_the_metric_that_training_watches_must_be_there_too() -> None:
    run = trainer(torch.nn.Linear(3, 2), Odd(scores={"accuracy": 0.5}), SETTINGS, metric=LOSS)
    run.metrics = (ACCURACY, LOSS)
    with pytest.raises(ContractError, match="judge left out the metric cross_entropy: it returned accuracy"):
        run.fit()


def test_inputs_of_another_precision_than_networks_have_are_named() -> None:
    def doubled(batches: list[Batch]) -> list[Batch]:
        return [Batch(inputs=b.inputs.double(), targets=b.targets, size=b.size) for b in batches]

    expected = "^the task's inputs are float64, but networks are float32: cast them while loading$"
    with pytest.raises(ContractError, match=expected):
        fit(torch.nn.Linear(3, 2), Odd(doubled), SETTINGS)
