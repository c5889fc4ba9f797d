"""Numbers over many tasks: interquartile mean, mean rank, win rate, improvability, performance profile, and intervals.

The interquartile mean, the profiles and the bootstrap over runs within tasks are those of Agarwal, Schwarzer, Castro,
Courville and Bellemare 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice"; profiles go back
to Dolan and More 2002, "Benchmarking optimization software with performance profiles". Improvability is that of
Erickson et al. 2025, "TabArena: A Living Benchmark for Machine Learning on Tabular Data". docs/aggregates.md has the
definitions.

Scores are turned so that more is better. A task weighs the same, however many runs it has.

Of few runs a bootstrap draws too narrow intervals: a drawn mean varies with (n - 1) / n of the variance that it should
have, and the ends are those of a normal distribution. So runs are moved away from their mean by sqrt(n / (n - 1))
before they are drawn, and the ends by the ratio of Student's quantile to the normal one.
tests/tables/test_aggregates.py has the share of intervals that hold the true value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Runs = Sequence[Sequence[Floats]]
TRIM = 0.25
ALPHA = 0.05
NORMAL = 1.959963984540054
ALIKE = 12
"""Decimals, relative to a task's largest score, up to which two means are a tie."""


def iqm(values: Floats, weights: Floats) -> Floats:
    """The mean of the runs (..., runs) between the quartiles. As many whole runs are dropped at either end as weigh at
    most a quarter of all together: of n runs of equal weight the integer part of n / 4."""
    order = np.argsort(values, axis=-1)
    values = np.take_along_axis(values, order, axis=-1)
    weights = np.take_along_axis(np.broadcast_to(weights, values.shape), order, axis=-1)
    below = np.cumsum(weights, axis=-1)
    total = below[..., -1:]
    least = TRIM * total * (1 + 1e-9)
    kept = np.where((below > least) & (total - below + weights > least), weights, 0.0)
    found: Floats = (values * kept).sum(axis=-1) / kept.sum(axis=-1)
    return found


def profile(values: Floats, weights: Floats, taus: Sequence[float]) -> list[float]:
    """The share of runs above each tau."""
    return [float((weights * (values > tau)).sum() / weights.sum()) for tau in taus]


def ranks(means: Floats) -> Floats:
    """The rank (..., competitors, tasks) of each mean within its task, 1 for the largest; ties share the average."""
    turned = np.moveaxis(-means, -2, -1)
    order = np.argsort(turned, axis=-1, kind="stable")
    ordered = np.take_along_axis(turned, order, axis=-1)
    place = np.arange(means.shape[-2])
    other = ordered[..., 1:] != ordered[..., :-1]
    edge = np.ones((*other.shape[:-1], 1), dtype=bool)
    first = np.maximum.accumulate(np.where(np.concatenate([edge, other], axis=-1), place, 0), axis=-1)
    last = np.where(np.concatenate([other, edge], axis=-1), place, place[-1])
    last = np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1]
    found = np.empty(turned.shape)
    np.put_along_axis(found, order, (first + last) / 2 + 1, axis=-1)
    return np.moveaxis(found, -1, -2)


def win_rates(rank: Floats) -> Floats:
    """The share of comparisons (with each other competitor, on each task) that are won, ties by half, from ranks
    (competitors, tasks); NaN of one competitor."""
    others = len(rank) - 1
    if others == 0:
        return np.full(1, math.nan)
    found: Floats = ((len(rank) - rank) / others).mean(axis=1)
    return found


def improvability(errors: Floats) -> Floats:
    """By how much of its own error a competitor could improve by being the best: the mean over tasks of
    (own - best) / own, 0 where its own error is 0; errors (competitors, tasks) of at least 0."""
    best = errors.min(axis=0, keepdims=True)
    share = np.divide(errors - best, errors, out=np.zeros_like(errors), where=errors > 0)
    found: Floats = share.mean(axis=1)
    return found


def rounded(means: Floats, scale: Floats) -> Floats:
    """Means (..., tasks) of which those that are equal up to rounding are equal."""
    found: Floats = np.round(means / np.where(scale > 0, scale, 1.0), ALIKE)
    return found


def pooled(runs: Sequence[Floats]) -> tuple[Floats, Floats]:
    """One competitor's runs of all tasks, and a weight for each: 1 for every task."""
    weights = [np.full(task.shape[-1], 1 / task.shape[-1]) for task in runs]
    return np.concatenate(runs, axis=-1), np.concatenate(weights)


def drawn(runs: Floats, draws: int, random: np.random.Generator) -> Floats:
    """Runs of one task (draws, runs), drawn anew with replacement after they are moved away from their mean."""
    count = len(runs)
    if count == 1:
        return np.broadcast_to(runs, (draws, 1))
    moved = runs.mean() + math.sqrt(count / (count - 1)) * (runs - runs.mean())
    found: Floats = moved[random.integers(0, count, (draws, count))]
    return found


def widening(runs: Sequence[Floats]) -> float:
    """Student's quantile over the normal one, with Satterthwaite's degrees of freedom of the sum over tasks."""
    from scipy.special import stdtrit

    varying = [task for task in runs if len(task) > 1 and np.ptp(task) > 0]
    if not varying:
        return 1.0
    parts = np.array([task.var(ddof=1) / len(task) for task in varying])
    degrees = parts.sum() ** 2 / (parts**2 / np.array([len(task) - 1 for task in varying])).sum()
    return float(stdtrit(degrees, 1 - ALPHA / 2)) / NORMAL


def task_widening(tasks: int) -> float:
    """The same of draws of whole tasks, which can't be moved away from their mean before."""
    from scipy.special import stdtrit

    return math.sqrt(tasks / (tasks - 1)) * float(stdtrit(tasks - 1, 1 - ALPHA / 2)) / NORMAL


def interval(value: float, draws: Floats, factor: float = 1.0) -> tuple[float, float]:
    """The middle 95 % of the draws, whose ends are moved away from the value by the factor; it holds the value."""
    low, high = np.quantile(draws, [ALPHA / 2, 1 - ALPHA / 2])
    return value - max(0.0, value - low) * factor, value + max(0.0, high - value) * factor
