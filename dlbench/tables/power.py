"""How many seeds would tell two models apart, if the true difference is the one between their means now.

The power of the t-test that ranks rest on (Welch's, with variances moderated as `ranking` moderates them), by the
noncentral t distribution: with n seeds a squared error is the moderated variance over n, and n - 1 and the prior's
degrees of freedom stand behind it. A model whose seeds all gave the same score has an error that seeds don't lower.

A difference that is looked at because it seems promising is larger than the true one more often than not, so the number
is a lower end rather than a promise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from .ranking import Standing, moderate
from .stats import ALPHA

POWER = 0.8
MOST_SEEDS = 10_000
CERTAIN = 30.0
"""A noncentrality from which on the power is 1 to ten digits at any level that is used here."""
K = TypeVar("K")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two models: the variance of a seed and the prior's share of its degrees of freedom; or an `error` that
    doesn't depend on the seeds, with its degrees. `count`: the seeds that it has, which it keeps."""

    variance: float = math.nan
    prior: float = 0.0
    error: float | None = None
    degrees: float = math.nan
    count: int = 0

    def at(self, seeds: int) -> tuple[float, float]:
        """The squared error of the mean and its degrees of freedom, with at least this many seeds."""
        if self.error is not None:
            return self.error, self.degrees
        number = max(seeds, self.count)
        return self.variance / number, self.prior + number - 1


def seeds_needed(gap: float, a: Side, b: Side, level: float = ALPHA) -> int | None:
    """The fewest seeds of each with which a difference of this size is found in 8 of 10 cases, more than the fewest
    that they have; None where MOST_SEEDS don't do, or where a variance isn't known."""
    first = max(2, min(side.count for side in (a, b) if side.error is None) + 1) if _varies(a, b) else 2
    if gap == 0 or math.isnan(power(gap, a, b, first, level)):
        return None
    if power(gap, a, b, MOST_SEEDS, level) < POWER:
        return None
    low, high = first - 1, first
    while power(gap, a, b, high, level) < POWER:
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(gap, a, b, middle, level) >= POWER else (middle, high)
    return high


def power(gap: float, a: Side, b: Side, seeds: int, level: float) -> float:
    """How often the two-sided test at this level finds a true difference of this size; NaN where it isn't known."""
    from scipy.special import nctdtr, stdtrit

    errors, degrees = zip(a.at(seeds), b.at(seeds), strict=True)
    squared = sum(errors)
    if not squared > 0:
        return 1.0 if squared == 0 and gap else math.nan
    freedom = squared**2 / sum(error**2 / own for error, own in zip(errors, degrees, strict=True))
    noncentral, critical = abs(gap) / math.sqrt(squared), float(stdtrit(freedom, 1 - level / 2))
    if noncentral - critical > CERTAIN:
        return 1.0
    return float(1 - nctdtr(freedom, noncentral, critical) + nctdtr(freedom, noncentral, -critical))


def side_of(found: Standing[K], index: int) -> Side:
    """A model of a table, as its tests see it. Of one seed the table's typical variance has to do."""
    count, spread = int(found.count[index]), float(found.spread[index])
    if spread == 0:
        return Side(error=float(found.error[index]), degrees=float(found.degrees[index]), count=count)
    if math.isnan(spread):
        return Side(variance=found.typical, prior=found.worth, count=count)
    own, _ = moderate(
        np.array([spread]), float(count - 1), np.array([found.typical]), np.array([found.worth])
    )  # fmt: skip
    return Side(variance=float(own[0]), prior=found.worth, count=count)


def level_of(found: Standing[K], best: int, other: int) -> float:
    """The level at which Holm's correction tests what the table leaves open: 5 % over the pairs that aren't told apart.
    The p-value of a pair that is below it is called significant, whatever the others are."""
    known = np.isfinite(found.error)
    pairs = int(known.sum()) * (int(known.sum()) - 1) // 2 - int(found.better.sum())
    return ALPHA / max(1, pairs + (not (known[best] and known[other])))


def _varies(a: Side, b: Side) -> bool:
    return a.error is None or b.error is None
