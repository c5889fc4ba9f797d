"""Generated sequences with a known optimum: adding, copy, parity, order, tags of a hidden Markov model."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

import dlbench_rnn
import dlbench_sequence
from dlbench import Batch, TokenBatch
from dlbench.contract.learner import Supervised
from dlbench.data import Data
from dlbench.errors import UsageError
from dlbench_sequence.generated.copying import memoryless
from dlbench_sequence.generated.hidden_markov import HiddenMarkov, accuracy

SPECS = {spec.name: spec for spec in dlbench_sequence.dlbench_tasks()}
GRU = next(spec for spec in dlbench_rnn.dlbench_models() if spec.name == "gru")
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))
SPLITS = ("train", "val", "test")
SMALL = {"num_train": 400, "num_val": 40, "num_test": 200}


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


class Judged:
    """A learner as a task sees it."""

    def __init__(self, predict: Any) -> None:
        self._predict = predict

    def predict(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            found: Tensor = self._predict(batch.inputs)
        return found


def everything(task: Any, split: str) -> Batch:
    (batch,) = task.batches(split, 10**6, None)
    return batch


def test_adding_marks_one_number_in_each_half() -> None:
    task = SPECS["adding"].load(DATA, length=9, **SMALL)
    for split, count in zip(SPLITS, (400, 40, 200), strict=True):
        batch = everything(task, split)
        numbers, marks = batch.inputs.values.unbind(dim=2)
        assert batch.size == len(numbers) == count
        assert batch.inputs.lengths is None
        assert 0 <= numbers.min() < 0.05 < 0.95 < numbers.max() <= 1
        assert set(marks.unique().tolist()) == {0.0, 1.0}
        assert (marks[:, :4].sum(dim=1) == 1).all()
        assert (marks[:, 4:].sum(dim=1) == 1).all()
        torch.testing.assert_close((numbers * marks).sum(dim=1), batch.targets)


def test_adding_predicting_one_costs_a_sixth() -> None:
    task = SPECS["adding"].load(DATA, num_train=4)
    train = torch.cat([batch.targets for batch in SPECS["adding"].load(DATA).batches("train", 5000, None)])
    assert train.double().mean().item() == pytest.approx(1.0, abs=1e-7)
    scores = task.judge(Judged(lambda inputs: torch.ones(len(inputs.values))), "test")
    assert scores["mse"] == pytest.approx(1 / 6, abs=1e-4)
    assert scores["mse"] == pytest.approx(SPECS["adding"].floor, abs=1e-9)


def test_adding_the_sum_itself_costs_nothing() -> None:
    task = SPECS["adding"].load(DATA, length=30, **SMALL)
    scores = task.judge(Judged(lambda inputs: inputs.values.prod(dim=2).sum(dim=1)), "test")
    assert scores["mse"] == pytest.approx(SPECS["adding"].bound, abs=1e-12)


def test_copy_is_laid_out_as_published() -> None:
    task = SPECS["copy"].load(DATA, length=7, **SMALL)
    batch = everything(task, "train")
    ids, targets = batch.inputs.ids, batch.targets
    assert ids.shape == targets.shape == (400, 27)
    assert batch.size == 400 * 27
    assert (ids[:, 10:16] == 0).all()
    assert (ids[:, 16:] == 9).all()
    assert ids[:, :10].unique().tolist() == list(range(1, 9))
    assert (targets[:, :17] == 0).all()
    assert torch.equal(targets[:, 17:], ids[:, :10])


def test_copy_of_a_memoryless_model_costs_the_baseline() -> None:
    task = SPECS["copy"].load(DATA, **SMALL)
    assert memoryless(50) == pytest.approx(10 * math.log(8) / 70, rel=1e-12)
    assert memoryless(1000) == pytest.approx(0.02039, abs=5e-6)

    def knows_when(inputs: TokenBatch) -> Tensor:
        logits = torch.full((*inputs.ids.shape, 9), -math.inf)
        logits[:, :-10, 0] = 0.0
        logits[:, -10:, 1:] = 0.0
        return logits

    scores = task.judge(Judged(knows_when), "test")
    assert scores["baseline_share"] == pytest.approx(1.0, abs=1e-6)
    assert scores["accuracy"] == pytest.approx(1 / 8, abs=0.03)


def test_copy_floor_and_bound() -> None:
    task = SPECS["copy"].load(DATA)
    counts = torch.cat([b.targets.flatten() for b in task.batches("train", 5000, None)]).bincount(minlength=9).double()
    targets = torch.cat([b.targets.flatten() for b in task.batches("test", 5000, None)])
    assert -(counts / counts.sum()).log()[targets].mean().item() == pytest.approx(SPECS["copy"].floor, abs=1e-9)

    def remembers(inputs: TokenBatch) -> Tensor:
        answers = torch.zeros_like(inputs.ids)
        answers[:, -10:] = inputs.ids[:, :10]
        return nn.functional.one_hot(answers, 9).float() * 100

    scores = task.judge(Judged(remembers), "test")
    assert scores == {"cross_entropy": pytest.approx(SPECS["copy"].bound, abs=1e-6),
                      "baseline_share": pytest.approx(0.0, abs=1e-6), "accuracy": 1.0}  # fmt: skip


def strings_of(task: Any, split: str) -> list[tuple[int, ...]]:
    found = []
    for batch in task.batches(split, 64, None):
        ids, lengths = batch.inputs.ids, batch.inputs.lengths
        sizes = [ids.shape[1]] * len(ids) if lengths is None else lengths.tolist()
        found += [tuple(row[:size]) for row, size in zip(ids.tolist(), sizes, strict=True)]
        odd = [sum(row) % 2 for row in found[-len(ids) :]]
        assert odd == batch.targets.tolist()
    return found


@pytest.mark.parametrize("test_length", [None, 40])
def test_parity_holds_balanced_strings_out(test_length: int | None) -> None:
    task = SPECS["parity"].load(DATA, test_length=test_length)
    train, val, test = (strings_of(task, split) for split in SPLITS)
    assert np.bincount([len(row) for row in train], minlength=13)[1:] == pytest.approx(20_000 / 12, rel=0.1)
    assert {len(row) for row in val} == {12}
    assert {len(row) for row in test} == {test_length or 12}
    assert not set(test) & set(train)
    assert not set(val) & (set(train) | set(test))
    for held, count in ((val, 500), (test, 1000)):
        assert len(set(held)) == count
        assert sum(sum(row) % 2 for row in held) == count // 2
    assert task.signature.input.length == (test_length or 12)


def test_parity_is_beyond_a_linear_model() -> None:
    task = SPECS["parity"].load(DATA, length=20, num_train=60_000)
    train = np.array([row for row in strings_of(task, "train") if len(row) == 20])
    test = np.array(strings_of(task, "test"))
    assert len(train) > 2000
    model = LogisticRegression().fit(train, train.sum(axis=1) % 2)
    assert model.score(test, test.sum(axis=1) % 2) == pytest.approx(0.5, abs=0.05)  # 3 standard errors of 1,000


def test_parity_needs_enough_strings() -> None:
    with pytest.raises(UsageError, match="there are 32 strings of 5 bits, too few to hold 100"):
        SPECS["parity"].load(DATA, length=5, num_val=50, num_test=50)
    SPECS["parity"].load(DATA, length=5, num_val=8, num_test=8)


def test_gru_learns_parity_and_holds_on_longer_strings() -> None:
    task = SPECS["parity"].load(DATA, length=6, test_length=30, num_train=4000, num_val=8, num_test=200)
    learner = Supervised(GRU.build(task.signature, width=32), task.loss)
    optimizer = torch.optim.Adam(learner.parameters(), lr=1e-2)
    order = torch.Generator().manual_seed(0)
    for _ in range(8):
        for batch in task.batches("train", 64, order):
            optimizer.zero_grad()
            learner.loss(batch).backward()
            nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
            optimizer.step()
    assert task.judge(Judged(learner.eval().predict), "test")["accuracy"] == SPECS["parity"].bound


def test_order_is_hopeless_for_a_bag_of_symbols() -> None:
    task = SPECS["order"].load(DATA, **SMALL)
    weights = torch.randn(10, 2, dtype=torch.float64)

    def bag(inputs: TokenBatch) -> Tensor:
        counts = torch.stack([ids.bincount(minlength=10) for ids in inputs.ids]).double()
        return (counts @ weights).sin()

    assert [task.judge(Judged(bag), split)["accuracy"] for split in SPLITS] == [0.5, 0.5, 0.5]

    def looks(inputs: TokenBatch) -> Tensor:
        first, second = ((inputs.ids == symbol).int().argmax(dim=1) for symbol in (0, 1))
        return torch.stack([first, second], dim=1).double()  # the second logit is larger where a comes first

    assert task.judge(Judged(looks), "test")["accuracy"] == SPECS["order"].bound


def test_order_pairs_every_sequence_with_its_mirror_image() -> None:
    task = SPECS["order"].load(DATA, length=7, vocab=5, **SMALL)
    for split in SPLITS:
        batch = everything(task, split)
        ids, labels = batch.inputs.ids, batch.targets
        assert batch.inputs.lengths is None
        assert torch.equal(ids[0::2].flip(1), ids[1::2])
        assert torch.equal(labels[0::2], 1 - labels[1::2])
        first, second = ((ids == symbol).int().argmax(dim=1) for symbol in (0, 1))
        assert torch.equal((first < second).long(), labels)
        for symbol in (0, 1):
            assert ((ids == symbol).sum(dim=1) == 1).all()
        assert ids.max() == 4


def enumerate_states(model: HiddenMarkov, symbols: list[int]) -> Any:
    """Each state's probability at each place, by summing over all sequences of states."""
    found = np.zeros((len(symbols), len(model.start)))
    for states in itertools.product(range(len(model.start)), repeat=len(symbols)):
        weight = model.start[states[0]] * model.emits[states[0], symbols[0]]
        for before, state, symbol in zip(states, states[1:], symbols[1:], strict=False):
            weight *= model.moves[before, state] * model.emits[state, symbol]
        found[np.arange(len(symbols)), states] += weight
    return found / found.sum(axis=1, keepdims=True)


def test_smoothing_and_filtering_agree_with_all_sequences_of_states() -> None:
    model = HiddenMarkov.draw(states=3, vocab=4)
    symbols = np.random.RandomState(0).randint(0, 4, (5, 6))
    for row, smooth, filtered in zip(symbols, model.smoothed(symbols), model.filtered(symbols), strict=True):
        np.testing.assert_allclose(smooth, enumerate_states(model, row.tolist()), atol=1e-12)
        for place in range(6):
            np.testing.assert_allclose(
                filtered[place], enumerate_states(model, row[: place + 1].tolist())[-1], atol=1e-12
            )


def test_hidden_states_floor_and_bound() -> None:
    spec = SPECS["hmm_tags"]
    task = spec.load(DATA)
    train, test = everything(task, "train"), everything(task, "test")
    majority = train.targets.flatten().bincount().argmax()
    assert (test.targets == majority).double().mean().item() == pytest.approx(spec.floor, abs=1e-9)
    model = HiddenMarkov.draw(states=5, vocab=10)

    def knows(inputs: TokenBatch) -> Tensor:
        return torch.from_numpy(model.smoothed(inputs.ids.numpy())).log()

    scores = task.judge(Judged(knows), "test")
    assert scores["accuracy"] == pytest.approx(spec.bound, abs=1e-9)
    assert scores["regret"] == 0.0
    filtered = accuracy(model.filtered(test.inputs.ids.numpy()), test.targets.numpy())
    assert round(100 * filtered, 1) == 55.5
    table = torch.zeros(10, 5).index_put_((train.inputs.ids, train.targets), torch.ones(()), accumulate=True)
    alone = (table.argmax(dim=1)[test.inputs.ids] == test.targets).double().mean().item()
    assert round(100 * alone, 1) == 49.3
    for figure in ("55.5 %", "49.3 %"):
        assert figure in spec.description


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("adding", {"length": 1}, "length must be at least 2, not 1"),
        ("adding", {"num_test": 6}, "num_test must be a positive multiple of 4, not 6"),
        ("copy", {"length": 0}, "length must be at least 1"),
        ("copy", {"num_train": 0}, "num_train must be a positive multiple of 1"),
        ("parity", {"test_length": 0}, "test_length must be at least 1"),
        ("parity", {"num_val": 3}, "num_val must be a positive multiple of 2"),
        ("order", {"vocab": 2}, "vocab must be 3 to 256"),
        ("order", {"length": 1}, "length must be at least 2"),
        ("hmm_tags", {"states": 1}, "states must be at least 2"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SPECS[name].load(DATA, **options)
