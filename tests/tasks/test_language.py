"""dlbench_language: the chain against closed forms, floor and bound, what counts, learning down to the bound."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dlbench_language
import dlbench_rnn
from dlbench import Batch, TokenBatch
from dlbench.contract.choice import option_defaults
from dlbench.contract.learner import Supervised
from dlbench.data import Data
from dlbench.errors import UsageError
from dlbench_language.modelling.markov import MarkovChain, MarkovTask, stationary_distribution

pytestmark = pytest.mark.numbers

SPEC = next(iter(dlbench_language.dlbench_tasks()))
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))


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
            return self._predict(batch.inputs)


def truth(chain: MarkovChain) -> Any:
    """The predictor that knows the chain; where it sees no whole context it is as wrong as can be."""
    rows = torch.from_numpy(chain.rows).clamp(min=1e-30).log()
    vocab = rows.shape[1]

    def predict(inputs: TokenBatch) -> Tensor:
        ids, skipped = inputs.ids, chain.order - 1
        context = torch.zeros_like(ids[:, skipped:])
        for place in range(chain.order):
            context = context * vocab + ids[:, place : place + context.shape[1]]
        wrong = torch.full((len(ids), skipped, vocab), math.nan, dtype=rows.dtype)
        return torch.cat([wrong.nan_to_num(-50.0), rows[context]], dim=1)

    return predict


def test_two_states_have_the_known_entropy_rate() -> None:
    rows = np.array([[0.9, 0.1], [0.5, 0.5]])
    stationary = stationary_distribution(rows)
    np.testing.assert_allclose(stationary, [5 / 6, 1 / 6], rtol=1e-12)
    first = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    chain = MarkovChain(order=1, rows=rows, stationary=stationary)
    assert chain.entropy_rate() == pytest.approx(5 / 6 * first + 1 / 6 * math.log(2), rel=1e-12)


def test_contexts_of_order_two_are_read_oldest_first() -> None:
    vocab = 3
    rows = np.zeros((9, 3))
    for older in range(vocab):
        for newer in range(vocab):
            rows[older * vocab + newer, (older + 2 * newer + 1) % vocab] = 1.0
    chain = MarkovChain(order=2, rows=rows, stationary=np.full(9, 1 / 9))
    found = chain.sample(20, 12, np.random.RandomState(0))
    assert ((found[:, :-2] + 2 * found[:, 1:-1] + 1) % vocab == found[:, 2:]).all()
    assert chain.cross_entropy(found) == pytest.approx(0.0, abs=1e-12)
    assert len({tuple(start) for start in found[:, :2]}) > 3
    assert chain.entropy_rate() == 0.0


@pytest.mark.parametrize("order", [1, 2, 3])
def test_segments_are_in_equilibrium_with_the_entropy_rate(order: int) -> None:
    chain = MarkovChain.draw(vocab=5, order=order)
    found = chain.sample(4000, 20 + order, np.random.RandomState(7))
    scores = np.array([chain.cross_entropy(part) for part in np.split(found, 40)])
    assert abs(scores.mean() - chain.entropy_rate()) < 4 * scores.std() / math.sqrt(len(scores))
    late = found[:, -order:] @ (5 ** np.arange(order)[::-1])
    shares = np.bincount(late, minlength=5**order) / len(found)
    errors = np.sqrt(chain.stationary * (1 - chain.stationary) / len(found))
    assert (np.abs(shares - chain.stationary) < 5 * errors + 1e-3).all()


def test_bound_is_the_entropy_rate() -> None:
    assert SPEC.bound == pytest.approx(MarkovChain.draw(vocab=16, order=1).entropy_rate(), abs=1e-9)


def test_floor_is_what_counted_frequencies_score() -> None:
    task = SPEC.load(DATA)
    targets = torch.cat([batch.targets.flatten() for batch in task.batches("train", 100, None)])
    logits = targets.bincount(minlength=16).double().log()
    scores = task.judge(Judged(lambda inputs: logits.expand(*inputs.ids.shape, 16)), "test")
    assert scores["cross_entropy"] == pytest.approx(SPEC.floor, abs=1e-6)  # the task computes losses in float32
    exact = -torch.log_softmax(logits, 0)[task.segments["test"][:, 1:]].mean().item()
    assert pytest.approx(exact, abs=1e-9) == SPEC.floor


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_chain_itself_has_no_excess(order: int) -> None:
    task = SPEC.load(DATA, vocab=5, order=order, length=12, num_test=300)
    chain = MarkovChain.draw(vocab=5, order=order)
    scores = task.judge(Judged(truth(chain)), "test")
    assert scores["excess"] == pytest.approx(0.0, abs=1e-5)
    assert scores["cross_entropy"] == pytest.approx(chain.entropy_rate(), abs=0.1)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_places_without_a_whole_context_do_not_count(order: int) -> None:
    task = SPEC.load(DATA, vocab=5, order=order, length=6, num_train=10)
    batch = next(iter(task.batches("train", 4, torch.Generator())))
    counted = torch.ones(4, 6, dtype=torch.bool) if batch.mask is None else batch.mask
    assert counted.sum().item() == batch.size == 4 * (7 - order)
    assert counted[:, order - 1 :].all()
    outputs = torch.randn(4, 6, 5)
    loss = task.loss(outputs, batch)
    assert loss.item() == pytest.approx(nn.functional.cross_entropy(outputs[counted], batch.targets[counted]).item())
    outputs[~counted] += torch.randn(5)
    assert task.loss(outputs, batch).item() == pytest.approx(loss.item())
    assert torch.equal(batch.inputs.ids[:, 1:], batch.targets[:, :-1])


def test_data_depend_on_no_global_seed() -> None:
    tasks = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        tasks.append(SPEC.load(DATA))
    for split, count in [("train", 2048), ("val", 512), ("test", 2048)]:
        assert torch.equal(tasks[0].segments[split], tasks[1].segments[split])
        assert tasks[0].segments[split].shape == (count, 33)


def test_splits_differ_and_do_not_depend_on_each_others_size() -> None:
    task, other = SPEC.load(DATA), SPEC.load(DATA, num_train=7)
    assert torch.equal(task.segments["test"], other.segments["test"])
    assert not torch.equal(task.segments["test"][:512], task.segments["val"])


def test_the_generator_shuffles() -> None:
    task: MarkovTask = SPEC.load(DATA, num_train=20)
    passes = [
        torch.cat([batch.targets for batch in task.batches("train", 8, generator)])
        for generator in (None, torch.Generator().manual_seed(1), torch.Generator().manual_seed(1))
    ]
    assert not torch.equal(passes[0], passes[1])
    assert torch.equal(passes[1], passes[2])
    assert sorted(passes[0].tolist()) == sorted(passes[1].tolist())


@pytest.mark.parametrize(
    ("options", "message"),
    [({"vocab": 1}, "vocab >= 2"), ({"vocab": 30, "order": 3}, "30 \\*\\* 3"), ({"order": 3, "length": 2}, "length")],
)
def test_wrong_options_are_refused(options: dict[str, int], message: str) -> None:
    assert set(options) <= set(option_defaults(SPEC.load))
    with pytest.raises(UsageError, match=message):
        SPEC.load(DATA, **options)


def test_gru_comes_within_two_percent_of_the_bound() -> None:
    task = SPEC.load(DATA)
    gru = next(iter(dlbench_rnn.dlbench_models())).build(task.signature)
    learner = Supervised(gru, task.loss)
    optimizer = torch.optim.Adam(learner.parameters(), lr=SPEC.recipe["lr"])
    order = torch.Generator().manual_seed(0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, int(SPEC.recipe["budget.epochs"]) * 64)
    for _ in range(SPEC.recipe["budget.epochs"]):
        for batch in task.batches("train", SPEC.recipe["batch_size"], order):
            optimizer.zero_grad()
            learner.loss(batch).backward()
            optimizer.step()
            schedule.step()
    scores = task.judge(Judged(learner.eval().predict), "test")
    assert SPEC.bound is not None
    assert SPEC.bound - 0.02 < scores["cross_entropy"] < 1.02 * SPEC.bound
    assert scores["excess"] > 0
