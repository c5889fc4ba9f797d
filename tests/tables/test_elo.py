"""Elo: ratings that maximise the likelihood, by an independent search; tiers where there are none; intervals."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize

from dlbench.tables.aggregates import interval, task_widening
from dlbench.tables.elo import drawn_ratings, outcomes, ratings, tiers

EVEN = np.array([[0.9, 0.8, 0.1, 0.7], [0.5, 0.9, 0.4, 0.6], [0.1, 0.2, 0.8, 0.9]])
TIED = np.array(
    [[0.9, 0.8, 0.1, 0.7, 0.5], [0.9, 0.6, 0.4, 0.7, 0.5], [0.1, 0.8, 0.8, 0.9, 0.5], [0.2, 0.9, 0.1, 0.1, 0.6]]
)
LOPSIDED = np.array([[0.9] * 9 + [0.1], [0.5] * 10])
"""Means (competitors, tasks)."""


def by_search(means: np.ndarray) -> np.ndarray:
    """The ratings that maximise the likelihood of all comparisons, one by one, by a simplex search."""
    count, tasks = means.shape

    def surprise(free: np.ndarray) -> float:
        rating = np.array([*free, -free.sum()])
        total = 0.0
        for task, (a, b) in itertools.product(range(tasks), itertools.permutations(range(count), 2)):
            won = 1.0 if means[a, task] > means[b, task] else 0.5 if means[a, task] == means[b, task] else 0.0
            total += won * math.log10(1 + 10 ** ((rating[b] - rating[a]) / 400))
        return total

    options = {"xatol": 1e-6, "fatol": 1e-13, "maxiter": 20000, "maxfev": 20000}
    free = minimize(surprise, np.zeros(count - 1), method="Nelder-Mead", options=options).x
    return 1000 + np.array([*free, -free.sum()])


@pytest.mark.parametrize("means", [EVEN, TIED, LOPSIDED])
def test_ratings_are_those_of_maximum_likelihood(means: np.ndarray) -> None:
    assert ratings(outcomes(means).sum(axis=0)) == pytest.approx(by_search(means), abs=0.05)


def test_two_who_won_nine_of_ten_and_one_are_apart_by_what_the_formula_says() -> None:
    found = ratings(outcomes(LOPSIDED).sum(axis=0))
    assert found == pytest.approx([1000 + 200 * math.log10(9), 1000 - 200 * math.log10(9)], abs=0.01)


def test_ties_are_half_a_win_for_each() -> None:
    assert ratings(outcomes(np.ones((3, 4))).sum(axis=0)) == pytest.approx([1000.0] * 3)
    won = outcomes(np.array([[0.5], [0.5], [0.4]]))[0]
    assert won.tolist() == [[0, 0.5, 1], [0.5, 0, 1], [0, 0, 0]]


def test_one_competitor_has_the_mean() -> None:
    assert ratings(outcomes(np.array([[0.5, 0.6]])).sum(axis=0)).tolist() == [1000.0]


def test_many_tables_at_once_are_as_one_by_one() -> None:
    wins = np.stack([outcomes(means).sum(axis=0) for means in (TIED, TIED[::-1], TIED**2)])
    assert ratings(wins) == pytest.approx(np.stack([ratings(one) for one in wins]), abs=1e-6)


def test_who_always_wins_stands_in_a_tier_of_their_own() -> None:
    beaten = np.array([*TIED, [0.0] * 5, [-1.0] * 5])
    wins = outcomes(beaten).sum(axis=0)
    assert tiers(wins) == [[0, 1, 2, 3], [4], [5]]
    assert tiers(outcomes(TIED).sum(axis=0)) == [[0, 1, 2, 3]]
    found = ratings(wins)
    assert np.isfinite(found).all()
    assert found[3] > found[4] + 1000 > found[5] + 2000
    assert found[:4] - found[:4].mean() == pytest.approx(by_search(TIED) - 1000, abs=0.05)  # within a tier they hold


def test_intervals_over_tasks_hold_the_true_ratings() -> None:
    """Scores with Gumbel noise win as Bradley and Terry's model says."""
    random = np.random.default_rng(5)
    true = np.array([1120.0, 1040.0, 960.0, 880.0])
    tasks, held, plain = 30, list[bool](), list[bool]()
    for _ in range(300):
        noise = random.gumbel(size=(4, tasks))
        won = outcomes((true[:, None] - 1000) * math.log(10) / 400 + noise)
        found, draws = ratings(won.sum(axis=0)), drawn_ratings(won, 400, random)
        for index, it in enumerate(true):
            low, high = interval(float(found[index]), draws[:, index], task_widening(tasks))
            held.append(low <= it <= high)
            plain.append(np.quantile(draws[:, index], 0.025) <= it <= np.quantile(draws[:, index], 0.975))
    assert 0.93 <= np.mean(held) <= 0.97
    assert np.mean(plain) < np.mean(held)
