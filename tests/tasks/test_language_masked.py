"""markov_masked: the posterior against counting all texts, the bound against its definition, masks and learning."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dlbench_language
from dlbench import Batch
from dlbench.data import Data
from dlbench.errors import UsageError
from dlbench.testing import check_task, report
from dlbench_language.modelling.markov import MarkovChain
from dlbench_language.modelling.masked import MaskedMarkovTask, posterior, two_sided_entropy

(SPEC,) = [spec for spec in dlbench_language.dlbench_tasks() if spec.name == "markov_masked"]
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))


class Judged:
    """A learner as a task sees it."""

    def __init__(self, predict: Any) -> None:
        self._predict = predict

    def predict(self, batch: Batch) -> Tensor:
        return self._predict(batch)


def test_the_task_keeps_to_its_contract() -> None:
    findings = check_task(SPEC)
    assert len(findings) > 8
    assert not [finding for finding in findings if not finding.ok], report(findings)


def test_the_bound_is_the_entropy_given_both_neighbours() -> None:
    chain = MarkovChain.draw(vocab=16, order=1)
    joint = chain.stationary[:, None, None] * chain.rows[:, :, None] * chain.rows[None]  # (left, middle, right)
    given = joint / joint.sum(axis=1, keepdims=True)
    entropy = -(joint * np.log(np.where(given > 0, given, 1.0))).sum()
    assert two_sided_entropy(chain) == pytest.approx(entropy, rel=1e-9)
    assert pytest.approx(entropy, abs=1e-9) == SPEC.bound


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_posterior_is_what_counting_all_texts_gives(order: int) -> None:
    vocab, length = 3, 6
    chain = MarkovChain.draw(vocab=vocab, order=order)
    texts = np.array(list(itertools.product(range(vocab), repeat=length)))
    context = sum(texts[:, place] * vocab ** (order - 1 - place) for place in range(order))
    weights = chain.stationary[context]
    for place in range(order, length):
        context = sum(texts[:, place - order + i] * vocab ** (order - 1 - i) for i in range(order))
        weights = weights * chain.rows[context, texts[:, place]]
    random = np.random.RandomState(1)
    segments = chain.sample(8, length, random)
    masked = random.random_sample(segments.shape) < 0.5
    found = posterior(chain, segments, masked)
    for row in range(len(segments)):
        fits = (texts == segments[row])[:, ~masked[row]].all(axis=1)
        for place in range(length):
            right = fits & (texts[:, place] == segments[row, place])
            assert found[row, place] == pytest.approx(weights[right].sum() / weights[fits].sum(), rel=1e-9)
    assert found[~masked] == pytest.approx(1.0)


def test_nothing_shows_what_was_masked() -> None:
    task: MaskedMarkovTask = SPEC.load(DATA, num_train=64, num_val=8, num_test=8)
    batch = next(iter(task.batches("train", 16, torch.Generator().manual_seed(0))))
    assert batch.mask.sum(dim=1).tolist() == [5] * 16  # 15 % of 32
    assert batch.size == batch.mask.sum().item()
    assert (batch.inputs.ids[batch.mask] == 16).all()
    assert torch.equal(batch.inputs.ids[~batch.mask], batch.targets[~batch.mask])
    assert batch.targets.max() < 16
    outputs = torch.randn(16, 32, 16)
    expected = torch.nn.functional.cross_entropy(outputs[batch.mask], batch.targets[batch.mask])
    assert task.loss(outputs, batch).item() == pytest.approx(expected.item(), rel=1e-6)


def test_training_masks_change_from_pass_to_pass_and_test_masks_never() -> None:
    task: MaskedMarkovTask = SPEC.load(DATA, num_train=40, num_val=8, num_test=8)

    def masks(split: str, generator: torch.Generator | None) -> Tensor:
        batches = list(task.batches(split, 8, generator))
        mask, targets = torch.cat([b.mask for b in batches]), torch.cat([b.targets for b in batches])
        order = [tuple(row) for row in targets.tolist()]
        return mask[sorted(range(len(order)), key=order.__getitem__)]

    one = torch.Generator().manual_seed(3)
    first, second = masks("train", one), masks("train", one)
    assert not torch.equal(first, second)
    assert torch.equal(first, masks("train", torch.Generator().manual_seed(3)))
    assert torch.equal(masks("test", torch.Generator().manual_seed(1)), masks("test", torch.Generator().manual_seed(2)))
    torch.manual_seed(9)
    np.random.seed(9)
    again = SPEC.load(DATA, num_train=40, num_val=8, num_test=8)
    assert torch.equal(again.masks["test"], task.masks["test"])


def test_excess_counts_from_the_exact_posterior() -> None:
    task: MaskedMarkovTask = SPEC.load(DATA, num_train=8)
    bits = torch.from_numpy(posterior(task.chain, task.segments["val"].numpy(), task.masks["val"].numpy()))
    rows = iter(bits.split(256))

    def predict(batch: Batch) -> Tensor:
        """The true symbol gets the posterior's probability, one of the others the rest."""
        right = next(rows)
        logits = torch.full((*right.shape, 16), -1e9, dtype=torch.float64)
        logits.scatter_(2, ((batch.targets + 1) % 16)[..., None], (1 - right).clamp(min=1e-12).log()[..., None])
        return logits.scatter_(2, batch.targets[..., None], right.log()[..., None])

    scores = task.judge(Judged(predict), "val")
    assert scores["excess"] == pytest.approx(0.0, abs=1e-5)
    assert scores["cross_entropy"] > SPEC.bound + 0.1  # neighbours are masked too
    certain = task.judge(Judged(lambda batch: torch.zeros(*batch.targets.shape, 16)), "test")
    assert certain["cross_entropy"] == pytest.approx(math.log(16), abs=1e-5)


@pytest.mark.parametrize(("options", "message"), [({"vocab": 1}, "vocab >= 2"), ({"order": 2, "length": 2}, "length")])
def test_wrong_options_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SPEC.load(DATA, **options)
