"""Ranks of the models in one table, and seeds that lie far from the others.

Three seeds say little about a model's variance, and the table's other models say a little more: each variance is
moderated by the table's typical one, an empirical Bayes estimate after Smyth 2004, "Linear Models and Empirical Bayes
Methods for Assessing Differential Expression" (limma). Two things differ, because tables hold models that don't vary
at all beside ones that collapse: the typical variance is a median, which neither can move, and it is worth at most two
degrees of freedom, fewer where the models' variances are further apart than so few seeds explain.

Tests are unpaired, because the scores of two models hardly move together over shared seeds. docs/measuring.md has the
error rates, and tests/tables/test_ranking.py the simulations behind them.

A model whose seeds all gave the same score has no variance to judge by. Its error is that of the test split where it
is known (0 where there is no such split), and the table's typical variance elsewhere. One seed can't be tested.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .stats import ALPHA, Scores, all_equal, finite_scores, holm_each, variance

PRIOR_DEGREES = 2.0
OUTLIER_ALPHA = 0.01
K = TypeVar("K")
Floats = NDArray[np.float64]


def ranks(
    table: Mapping[K, Scores], higher_is_better: bool, split_errors: Mapping[K, float | None] | None = None
) -> dict[K, str]:
    """A rank for every model with a finite score: `2`, or `1-3` where the table leaves it open. It goes from 1 + the
    number of models that are shown to be better to the number that aren't shown to be worse, so that it always holds
    the model's place by mean. `split_errors`: the squared standard error of the test split, where it is known."""
    return ranks_of(standing(table, higher_is_better, split_errors))


def ranks_of(found: Standing[K]) -> dict[K, str]:
    """The ranks that these tests leave."""
    first, last = 1 + found.better.sum(axis=0), len(found.names) - found.better.sum(axis=1)
    return {
        name: f"{low}" if low == high else f"{low}-{high}"
        for name, low, high in zip(found.names, first.tolist(), last.tolist(), strict=True)
    }


@dataclass(frozen=True)
class Standing(Generic[K]):
    """What the tests of a table rest on and what they show, an entry for each model with a finite score: `gain`, the
    mean, turned so that more is better; `spread`, the variance over `count` seeds; `error`, the squared error of the
    mean, with `degrees` of freedom; and `better[i, j]`, whether i is shown to be better than j. `typical` and `worth`:
    the prior's variance and its degrees of freedom."""

    names: list[K]
    gain: Floats
    spread: Floats
    count: Floats
    error: Floats
    degrees: Floats
    typical: float
    worth: float
    better: NDArray[np.bool_]


def standing(
    table: Mapping[K, Scores], higher_is_better: bool, split_errors: Mapping[K, float | None] | None = None
) -> Standing[K]:
    """The tests behind `ranks`."""
    scores = {name: found for name, given in table.items() if (found := [*finite_scores(given).values()])}
    mean = np.array([fmean(values) for values in scores.values()], dtype=np.float64)
    spread = np.array([_variance(values) for values in scores.values()], dtype=np.float64)
    known = split_errors or {}
    split = np.array([math.nan if (e := known.get(name)) is None else e for name in scores], dtype=np.float64)
    count, gain = np.array([len(values) for values in scores.values()], dtype=np.float64), mean
    varies = spread > 0
    typical, worth = prior(spread[varies], count[varies] - 1)
    error, degrees = _errors(spread, count, split)
    if not higher_is_better:
        gain = -mean
    better = shown_better(gain, error, degrees) if scores else np.zeros((0, 0), dtype=bool)
    return Standing([*scores], gain, spread, count, error, degrees, float(typical[0]), float(worth[0]), better)


def outlying(table: Mapping[K, Scores]) -> set[K]:
    """The models of which one seed lies far from the others (see `outlier_p`), judged by what the table's other models
    say."""
    scores = {name: found for name, given in table.items() if (found := [*finite_scores(given).values()])}
    spread = np.array([_variance(values) for values in scores.values()], dtype=np.float64)
    degrees = np.array([len(values) - 1 for values in scores.values()], dtype=np.float64)
    varies = np.flatnonzero(spread > 0)
    typical, worth = (np.tile(each, (len(scores), 1)) for each in prior(spread[varies], degrees[varies]))
    others = ~np.eye(len(varies), dtype=bool)  # (models that vary, models that vary): all but the model itself
    left = [
        np.broadcast_to(each[varies], others.shape)[others].reshape(len(varies), max(0, len(varies) - 1))
        for each in (spread, degrees)
    ]
    typical[varies], worth[varies] = prior(*left)
    by_count: dict[int, list[int]] = {}
    for i, values in enumerate(scores.values()):
        by_count.setdefault(len(values), []).append(i)
    names, all_values, far = [*scores], [*scores.values()], set[K]()
    for count, rows in by_count.items():
        if count >= 3:
            p = outlier_p(np.array([all_values[i] for i in rows]), typical[rows], worth[rows])
            far |= {names[i] for i, each in zip(rows, p.tolist(), strict=True) if each < OUTLIER_ALPHA}
    return far


def shown_better(mean: Floats, error: Floats, degrees: Floats) -> NDArray[np.bool_]:
    """Which model is shown to have the larger mean (..., better, worse), by t-tests of all pairs, corrected (Holm) at
    5 %. mean, squared error of the mean and its degrees of freedom (..., models); a NaN error can't be tested, two
    errors of 0 need no test."""
    from scipy.special import stdtr

    models = mean.shape[-1]
    a, b = np.triu_indices(models, 1)
    gap = mean[..., a] - mean[..., b]
    squared = error[..., a] + error[..., b]
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = squared**2 / (error[..., a] ** 2 / degrees[..., a] + error[..., b] ** 2 / degrees[..., b])  # Welch
        tested = 2 * stdtr(freedom, -np.abs(gap) / np.sqrt(squared))
    p = holm_each(np.where(squared == 0, gap == 0, tested))  # without an error, what differs differs
    better = np.zeros((*mean.shape, models), dtype=bool)
    better[..., a, b] = (p < ALPHA) & (gap > 0)
    better[..., b, a] = (p < ALPHA) & (gap < 0)
    return better


def moderate(spread: Floats, degrees: Floats | float, typical: Floats, worth: Floats) -> tuple[Floats, Floats]:
    """A variance and its degrees of freedom, with those of the prior added."""
    known = np.where(worth > 0, worth * typical, 0.0)
    return (known + degrees * spread) / (worth + degrees), worth + degrees


def prior(spread: Floats, degrees: Floats) -> tuple[Floats, Floats]:
    """What models that vary (..., models) say of the variance of one: the typical variance, and the degrees of freedom
    that it is worth (..., 1), at most PRIOR_DEGREES and a third of those of the others. NaN of none, and worth nothing
    of fewer than two."""
    models = spread.shape[-1]
    if models == 0:
        return np.full((*spread.shape[:-1], 1), math.nan), np.zeros((*spread.shape[:-1], 1))
    known = np.array([_of_degrees(each) for each in np.ravel(degrees).tolist()]).reshape(*np.shape(degrees), 3)
    middle, shift, sampled = np.moveaxis(known, -1, 0)
    typical = np.median(spread / middle, axis=-1, keepdims=True)
    if models == 1:
        return typical, np.zeros_like(typical)
    logs = np.log(spread) - shift
    expected = np.mean(np.broadcast_to(sampled, logs.shape), axis=-1, keepdims=True)
    excess = np.var(logs, axis=-1, ddof=1, keepdims=True) - expected
    most = np.minimum(PRIOR_DEGREES, (models - 1) * np.mean(degrees, axis=-1, keepdims=True) / 3)
    # limma solves trigamma(worth / 2) = excess, and trigamma(x) is about 1 / x**2 + pi**2 / 6 - 1 for x up to 1
    return typical, most / np.sqrt(np.maximum(1.0, excess - math.pi**2 / 6 + 1))


@cache
def _of_degrees(degrees: float) -> tuple[float, float, float]:
    """Of a sample variance over the true one: its median, and the mean and the variance of its logarithm."""
    from scipy.special import chdtri, digamma, polygamma

    half = degrees / 2
    return float(chdtri(degrees, 0.5)) / degrees, float(digamma(half)) - math.log(half), float(polygamma(1, half))


def outlier_p(values: Floats, typical: Floats, worth: Floats) -> Floats:
    """The p-value of the seed (..., seeds) that lies furthest from the mean of the others, by a t-test with their
    variance, moderated by that of the other models of the table, and corrected over the seeds (Bonferroni)."""
    from scipy.special import stdtr

    seeds = values.shape[-1]
    centred = values - values.mean(axis=-1, keepdims=True)
    distance = centred * seeds / (seeds - 1)  # from the mean of the others
    total = (centred**2).sum(axis=-1, keepdims=True)
    left = total - centred * distance  # the sum of squares of the others
    left = np.where(left > 1e-12 * total, left, 0.0)  # equal up to rounding: then the prior alone can judge
    spread, degrees = moderate(left / (seeds - 2), seeds - 2, typical, worth)
    error = np.sqrt(spread * seeds / (seeds - 1))
    t = np.divide(np.abs(distance), error, out=np.zeros_like(distance), where=error > 0)
    p: Floats = np.minimum(1.0, seeds * 2 * stdtr(degrees, -t)).min(axis=-1)
    return p


def _errors(spread: Floats, count: Floats, split: Floats) -> tuple[Floats, Floats]:
    """The squared error of each mean and its degrees of freedom; NaN where there is nothing to judge by."""
    varies = spread > 0
    typical, worth = prior(spread[varies], count[varies] - 1)
    known = np.isfinite(split)
    error, degrees = np.where(known, split, typical), np.where(known, 1e9, (count[varies] - 1).sum())
    error[np.isnan(spread)] = math.nan
    own, degrees[varies] = moderate(spread[varies], count[varies] - 1, typical, worth)
    error[varies] = own / count[varies]
    return error, degrees


def _variance(values: list[float]) -> float:
    """NaN of one value, exactly 0 of equal ones."""
    if len(values) < 2:
        return math.nan
    return 0.0 if all_equal(values, max(map(abs, values))) else variance(values)
