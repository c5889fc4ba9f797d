"""Bagging: bootstraps from a hash, batches filled from them, and what is refused."""

from __future__ import annotations

import copy
from math import exp, factorial
from typing import Any

import pytest
import torch
from ensembleparts import members
from scipy.stats import chisquare
from torch import nn

from dlbench import Batch, Classes, NotApplicable, TokenBatch
from dlbench.contract.learner import Supervised
from dlbench.profile.subject import Resident
from dlbench_ensemble.bagging import Bagging, systematic, uniform
from workshop import Blobs, fit


def bagging(count: int = 3) -> Bagging:
    return Bagging(members(count), Classes(num_classes=2))


def test_a_bootstrap_holds_sixty_three_percent_with_the_counts_of_poisson_and_every_member_has_its_own() -> None:
    learner, index = bagging(2), torch.arange(50_000)
    counts = [learner.counts(i, index) for i in range(2)]
    for each in counts:
        inside = (each > 0).double().mean().item()
        assert abs(inside - (1 - exp(-1))) < 3 * (exp(-1) * (1 - exp(-1)) / len(index)) ** 0.5
        seen = torch.bincount(each.clamp_max(5), minlength=6).double()
        expected = [exp(-1) / factorial(k) for k in range(5)]
        expected.append(1 - sum(expected))
        assert chisquare(seen.numpy(), [len(index) * share for share in expected]).pvalue > 1e-3
    both = ((counts[0] > 0) & (counts[1] > 0)).double().mean().item()
    assert both == pytest.approx((1 - exp(-1)) ** 2, abs=0.01)
    assert torch.equal(learner.counts(0, index.flip(0)).flip(0), counts[0])
    assert torch.equal(copy.deepcopy(learner).counts(1, index), counts[1])


def test_hashed_numbers_are_uniform_and_those_of_the_published_generator() -> None:
    golden = 0x9E3779B97F4A7C15
    for state in (1, 2, 12345):
        z = state * golden % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        assert uniform(torch.tensor([state])).item() == ((z ^ (z >> 31)) >> 11) * 2.0**-53
    numbers = uniform(torch.arange(20_000) + 2**61)
    assert chisquare(torch.histc(numbers, 20, 0, 1).numpy()).pvalue > 1e-3


def test_a_filled_batch_has_its_size_and_every_example_as_often_as_its_count_says() -> None:
    counts = torch.tensor([0, 1, 3, 0, 2, 1, 1, 0, 4, 0])  # of mean 1.2
    torch.manual_seed(2)
    drawn = torch.stack([torch.bincount(systematic(counts), minlength=10) for _ in range(4000)]).double()
    assert (drawn.sum(1) == 10).all()
    assert not drawn[:, counts == 0].any()
    exact = counts / 1.2
    assert ((drawn - exact).abs() < 1).all()
    error = drawn.std(0) / len(drawn) ** 0.5
    assert ((drawn.mean(0) - exact).abs() <= 4 * error + 1e-12).all()
    whole = systematic(torch.tensor([2, 0, 1, 1, 0, 2]))
    assert torch.equal(whole, torch.tensor([0, 0, 2, 3, 5, 5]))
    assert torch.equal(systematic(torch.zeros(3, dtype=torch.int64)), torch.arange(3))


def test_each_member_is_trained_on_its_own_examples_alone() -> None:
    seen: list[set[int]] = [set() for _ in range(3)]

    class Noting(Supervised):
        def train_step(self, batch: Batch, optimizers: Any) -> torch.Tensor:
            seen[int(self.place)].update(batch.index.tolist())
            assert torch.equal(batch.inputs, points[batch.index])
            assert torch.equal(batch.targets, labels[batch.index])
            return super().train_step(batch, optimizers)

    task = Blobs()
    points, labels = task.splits["train"]
    each = [Noting(nn.Linear(3, 2), task.loss) for _ in range(3)]
    for i, member in enumerate(each):
        member.place = i
    learner = Bagging(each, Classes(num_classes=2))
    fit(learner, task, {"budget.epochs": 30, "batch_size": 16})
    for i in range(3):
        expected = learner.counts(i, torch.arange(48)) > 0
        assert seen[i] == set(expected.nonzero().flatten().tolist())
        assert 15 < len(seen[i]) < 45
    assert len({frozenset(each) for each in seen}) == 3


def test_rows_of_tokens_are_chosen_with_their_lengths_and_masks() -> None:
    learner = bagging(1)
    inputs = TokenBatch(ids=torch.arange(80).view(8, 10), lengths=torch.arange(1, 9))
    batch = Batch(inputs, torch.arange(8), torch.arange(8) % 2 == 0, size=8, index=torch.arange(40, 48))
    found = learner.seen_by(0, batch)
    rows = found.index - 40
    assert torch.equal(found.inputs.ids, inputs.ids[rows])
    assert torch.equal(found.inputs.lengths, rows + 1)
    assert torch.equal(found.targets, rows)
    assert torch.equal(found.mask, rows % 2 == 0)


def test_batches_that_do_not_say_which_examples_they_hold_are_refused() -> None:
    with pytest.raises(NotApplicable, match="say which training examples they hold"):
        bagging().seen_by(0, Batch(inputs=torch.zeros(2, 3), targets=torch.zeros(2), size=2))


def test_the_batch_that_a_profile_repeats_says_which_examples_it_holds() -> None:
    first, second = list(Blobs().batches("train", 24, None))
    resident = Resident(first, second)
    assert torch.equal(resident().index, torch.arange(24))
    assert bagging().seen_by(0, resident()).inputs.shape == (24, 3)
