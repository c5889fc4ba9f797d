"""Numbers over tasks against figures worked out by hand, and intervals by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import rankdata, trim_mean

from dlbench.tables.aggregates import (
    drawn,
    improvability,
    interval,
    iqm,
    pooled,
    profile,
    ranks,
    rounded,
    widening,
    win_rates,
)


def test_the_interquartile_mean_drops_a_quarter_of_the_runs_at_either_end() -> None:
    assert iqm(np.array([9.0, 1.0, 2.0, 3.0]), np.ones(4)) == pytest.approx(2.5)
    assert iqm(np.array([5.0]), np.ones(1)) == 5.0
    assert iqm(np.array([1.0, 2.0, 6.0]), np.ones(3)) == pytest.approx(3.0)


@pytest.mark.parametrize("count", [*range(1, 14), 40, 60])
def test_of_runs_of_equal_weight_it_is_the_trimmed_mean(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    for weight in (1.0, 1 / 3, 0.1):
        assert iqm(values, np.full(count, weight)) == pytest.approx(trim_mean(values, 0.25))


def test_a_task_weighs_the_same_however_many_runs_it_has() -> None:
    values, weights = pooled([np.array([0.0]), np.array([0.4, 0.6, 0.4, 0.6]), np.array([1.0]), np.array([0.5, 0.5])])
    assert weights.tolist() == [1, 0.25, 0.25, 0.25, 0.25, 1, 0.5, 0.5]
    assert iqm(values, weights) == pytest.approx(0.5)  # the first and the third task are a quarter each
    assert profile(values, weights, [-1, 0, 0.45, 0.5, 1]) == [1, 0.75, 0.625, 0.375, 0]


def test_ranks_and_win_rates() -> None:
    means = np.array([[0.9, 0.5, 0.1], [0.8, 0.5, 0.3], [0.7, 0.4, 0.2]])
    assert ranks(means).tolist() == [[1, 1.5, 3], [2, 1.5, 1], [3, 3, 2]]
    assert win_rates(ranks(means)) == pytest.approx([(2 + 1.5 + 0) / 6, (1 + 1.5 + 2) / 6, (0 + 0 + 1) / 6])
    assert win_rates(ranks(np.ones((3, 2)))).tolist() == [0.5] * 3
    assert math.isnan(win_rates(ranks(np.ones((1, 2))))[0])


def test_ranks_of_many_draws_are_scipys() -> None:
    means = np.random.default_rng(0).integers(0, 4, (50, 6, 3)).astype(float)
    assert (ranks(means) == rankdata(-means, axis=1)).all()


def test_means_that_differ_by_rounding_are_a_tie() -> None:
    means = np.array([[0.1 + 0.2, 3e9], [0.3, 3e9 + 1]])
    assert ranks(rounded(means, np.abs(means).max(axis=0))).tolist() == [[1.5, 2], [1.5, 1]]
    assert rounded(np.zeros((2, 1)), np.zeros(1)).tolist() == [[0], [0]]


def test_improvability() -> None:
    errors = np.array([[0.1, 0.0, 2.0], [0.4, 0.0, 1.0], [0.2, 0.5, 4.0]])
    assert improvability(errors) == pytest.approx([(0 + 0 + 0.5) / 3, (0.75 + 0 + 0) / 3, (0.5 + 1 + 0.75) / 3])


def test_what_is_drawn_has_the_variance_of_the_runs() -> None:
    runs = np.array([0.1, 0.2, 0.6])
    means = drawn(runs, 200_000, np.random.default_rng(0)).mean(axis=1)
    assert means.mean() == pytest.approx(runs.mean(), abs=1e-3)
    assert means.var() == pytest.approx(runs.var(ddof=1) / 3, rel=0.02)
    assert drawn(np.array([0.5]), 3, np.random.default_rng(0)).tolist() == [[0.5]] * 3


def test_the_ends_of_one_task_are_students() -> None:
    assert widening([np.array([1.0, 2.0, 3.0])]) == pytest.approx(4.302653 / 1.959964, rel=1e-6)
    assert widening([np.array([1.0, 2.0, 3.0])] * 4) == pytest.approx(2.306004 / 1.959964, rel=1e-6)  # 8 degrees
    assert widening([np.array([1.0]), np.array([2.0, 2.0])]) == 1.0


def test_an_interval_holds_its_value() -> None:
    assert interval(2.0, np.array([3.0, 4.0])) == pytest.approx((2.0, 3.975))
    assert interval(0.0, np.linspace(-1, 1, 2001), 2.0) == pytest.approx((-1.9, 1.9))


@pytest.mark.parametrize(
    ("tasks", "seeds", "skewed", "least"),
    [(3, 3, False, 0.93), (8, 3, False, 0.93), (20, 5, False, 0.93), (8, 5, True, 0.91)],
)
def test_intervals_of_the_interquartile_mean_hold_it(tasks: int, seeds: int, skewed: bool, least: float) -> None:
    """It: the mean of the figure over many repetitions of the same tasks with as many other seeds."""
    random = np.random.default_rng(11)
    weights = np.full(tasks * seeds, 1 / seeds)
    held, plain = [], []
    for _ in range(5):
        middle, spread = random.uniform(0.3, 0.95, tasks), random.uniform(0.01, 0.05, tasks)
        shape = (5100, tasks, seeds)
        noise = (random.gamma(4, size=shape) - 4) / 2 if skewed else random.normal(size=shape)
        scores = middle[:, None] + spread[:, None] * noise
        true = iqm(scores[100:].reshape(5000, -1), weights).mean()
        for runs in scores[:100]:
            value = float(iqm(runs.ravel(), weights))
            draws = iqm(pooled([drawn(task, 300, random) for task in runs])[0], weights)
            low, high = interval(value, draws, widening(runs))
            held.append(low <= true <= high)
            naive = [task[random.integers(0, seeds, (200, seeds))] for task in runs]
            low, high = np.quantile(iqm(np.concatenate(naive, axis=1), weights), [0.025, 0.975])
            plain.append(low <= true <= high)
    assert least <= np.mean(held) <= 0.97
    assert np.mean(plain) < np.mean(held) - 0.01


@pytest.mark.parametrize(("tasks", "seeds"), [(3, 3), (20, 5)])
def test_intervals_of_the_mean_rank_hold_it(tasks: int, seeds: int) -> None:
    """Of four models that are close to each other. A rank moves in steps, so that many tasks and seeds hold it too
    often."""
    random = np.random.default_rng(13)
    held = []
    for _ in range(4):
        middle = random.uniform(0.3, 0.9, tasks) + random.normal(0, 0.01, (4, tasks))
        scores = middle[..., None] + random.normal(0, 0.02, (5000, 4, tasks, seeds))
        true = ranks(scores.mean(axis=-1)).mean(axis=(0, 2))
        for runs in scores[:60]:
            draws = np.stack([[drawn(task, 200, random).mean(axis=1) for task in own] for own in runs])
            each = ranks(np.moveaxis(draws, -1, 0)).mean(axis=-1).T
            ends = [
                interval(*pair) for pair in zip(ranks(runs.mean(axis=-1)).mean(axis=-1).tolist(), each, strict=True)
            ]
            held += [low <= it <= high for it, (low, high) in zip(true, ends, strict=True)]
    assert 0.92 <= np.mean(held) <= 0.985
