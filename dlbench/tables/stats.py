"""Intervals, paired comparisons and Pareto fronts for a handful of seeds; `ranking` has the ranks.

Everything rests on Student's t, because it keeps its promise from two or three values on; a percentile bootstrap over
3 to 5 seeds claims a false win in 15 to 30 % of cases and is not used. Values that are NaN or infinite never take part.

Comparing two sets of scores (seed -> metric) goes by these rules, in this order:

1. at least two shared seeds: the paired t-test on their differences;
2. the differences are all zero: the two are identical, p = 1;
3. the differences are all equal and not zero: they have no spread to judge by. Where neither side varies at all (a
   deterministic model such as `constant`) over at least three seeds, the difference is exact and significant by
   definition, p = 0. Where the sides do vary (a coarse metric on a small split), pairing says nothing and rule 4 holds;
4. fewer than two shared seeds, but two values on each side: Welch's t-test;
5. anything less can't be tested: p is None.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
MIN_FOR_INTERVAL = 3
MIN_FOR_CLAIM = 5
MEMORY_MARGIN = 0.01
RELATIVE_MARGIN = 0.001
MARGINS = {"fraction": 0.001, "points": 0.1}
RANGES = {"fraction": (0.0, 1.0), "points": (0.0, 100.0)}
UNBOUNDED = (-math.inf, math.inf)

Scores = Mapping[int, float]
Call = Literal["better", "worse", "can't tell"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its interval (None under three values); `count` values stand behind it."""

    mean: float | None
    low: float | None = None
    high: float | None = None
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """New against old: a difference (or, for speed, a ratio) with its interval, and the two-sided p-value. Whatever
    can't be said is None; `how` names the rule that was used, for people."""

    effect: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    how: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What can be said of new against old, and why."""

    call: Call
    why: str


def mean_interval(
    values: Iterable[float], bounds: tuple[float, float] = UNBOUNDED, confidence: float = 1 - ALPHA
) -> Estimate:
    """The mean of the finite values and its t-interval, which stays within the bounds that a metric has (see
    `metric_range`). Values outside them say that it has none."""
    finite = [float(v) for v in values if math.isfinite(v)]
    if not finite:
        return Estimate(mean=None)
    mean = fmean(finite)
    if len(finite) < MIN_FOR_INTERVAL:
        return Estimate(mean=mean, count=len(finite))
    half = _t_quantile(len(finite) - 1, confidence) * stdev(finite) / math.sqrt(len(finite))
    if not bounds[0] <= min(finite) <= max(finite) <= bounds[1]:
        bounds = UNBOUNDED
    low, high = _within(mean, half, *bounds)
    return Estimate(mean=mean, low=low, high=high, count=len(finite))


def next_interval(values: Iterable[float]) -> tuple[float, float] | None:
    """Where one more value like these lies in 95 of 100 cases; None under three values."""
    found = mean_interval(values)
    if found.mean is None or found.low is None:
        return None
    half = (found.mean - found.low) * math.sqrt(found.count + 1)
    return found.mean - half, found.mean + half


def metric_range(unit: str, higher_is_better: bool | None) -> tuple[float, float]:
    """The values that a metric can take: 0 to 1 for a fraction, 0 to 100 for points, from 0 for whatever is better when
    it is smaller, as losses and errors are, and any value else."""
    if unit in RANGES:
        return RANGES[unit]
    return (0.0, math.inf) if higher_is_better is False else UNBOUNDED


def _within(mean: float, half: float, lowest: float, highest: float) -> tuple[float, float]:
    """The ends of mean +- half by the delta method on a scale without bounds: the logit between two of them, the
    logarithm above one."""
    if half == 0 or not lowest < mean < highest or lowest == -math.inf:
        return max(mean - half, lowest), min(mean + half, highest)
    if highest == math.inf:
        factor = math.exp(half / (mean - lowest))
        return lowest + (mean - lowest) / factor, lowest + (mean - lowest) * factor
    size = highest - lowest
    odds = (mean - lowest) / (highest - mean)
    factor = math.exp(half * size / ((mean - lowest) * (highest - mean)))
    low, high = odds / factor, odds * factor
    return lowest + size * low / (1 + low), lowest + size * high / (1 + high)


def binomial_error(share: float, count: int) -> float:
    """The squared standard error of a share of `count` test examples. Half an example is added on either side, so that
    all right and all wrong aren't taken for certain."""
    smoothed = (share * count + 0.5) / (count + 1)
    return smoothed * (1 - smoothed) / count


def compare_scores(old: Scores, new: Scores) -> Comparison:
    """The difference new - old, by the rules at the top of this module."""
    old, new = finite_scores(old), finite_scores(new)
    shared = sorted(old.keys() & new.keys())
    if len(shared) >= 2:
        differences = [new[seed] - old[seed] for seed in shared]
        scale = max(abs(v) for scores in (old, new) for v in scores.values())
        if not all_equal(differences, scale):
            return _t_comparison(
                fmean(differences), variance(differences) / len(shared), len(shared) - 1,
                f"paired t-test over {len(shared)} shared seeds",
            )  # fmt: skip
        if all_equal([0.0, *differences], scale):
            return Comparison(effect=0.0, low=0.0, high=0.0, p=1.0, how=f"identical on {len(shared)} shared seeds")
    return _unpaired([*old.values()], [*new.values()])


def _unpaired(old: list[float], new: list[float]) -> Comparison:
    """Welch's t-test; by definition where neither side varies."""
    if not old or not new:
        return Comparison(effect=None, how="nothing to compare")
    effect = fmean(new) - fmean(old)
    fewest = min(len(old), len(new))
    if fewest < 2:
        return Comparison(effect=effect, how="one seed can't be tested")
    scale = max(map(abs, [*old, *new]))
    if all_equal(old, scale) and all_equal(new, scale):
        if all_equal([*old, *new], scale):
            return Comparison(effect=0.0, low=0.0, high=0.0, p=1.0, how="identical")
        if fewest < MIN_FOR_INTERVAL:
            return Comparison(effect=effect, how=f"no spread over {fewest} seeds, which is too few to call it exact")
        return Comparison(effect=effect, low=effect, high=effect, p=0.0, how="neither side varies: an exact difference")
    parts = [variance(side) / len(side) for side in (old, new)]
    degrees = sum(parts) ** 2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (old, new), strict=True))
    return _t_comparison(effect, sum(parts), degrees, f"Welch's t-test over {len(old)} and {len(new)} seeds")


def _t_comparison(effect: float, squared_error: float, degrees: float, how: str) -> Comparison:
    low, high, p = _t_test(effect, squared_error, degrees)
    return Comparison(effect=effect, low=low, high=high, p=p, how=how)


def _t_test(effect: float, squared_error: float, degrees: float) -> tuple[float, float, float]:
    """The interval's ends and the two-sided p-value of an effect with this squared standard error."""
    error = math.sqrt(squared_error)
    half = _t_quantile(degrees, 1 - ALPHA) * error
    p = _t_p(effect / error, degrees) if error else float(effect == 0)
    return effect - half, effect + half, p


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction. None (could not be tested) stays None and doesn't count."""
    corrected = holm_each(np.array([math.nan if p is None else p for p in p_values], dtype=np.float64))
    return [None if math.isnan(p) else p for p in corrected.tolist()]


def holm_each(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's correction of each row of p-values (..., tests); NaN stays NaN and doesn't count."""
    order = np.argsort(p, axis=-1)  # NaN last
    left = (~np.isnan(p)).sum(axis=-1, keepdims=True) - np.arange(p.shape[-1])
    stepped = np.maximum.accumulate(np.minimum(1.0, np.take_along_axis(p, order, axis=-1) * left), axis=-1)
    corrected = np.empty_like(p)
    np.put_along_axis(corrected, order, stepped, axis=-1)
    return corrected


def metric_margin(unit: str, value: float) -> float:
    """The smallest difference worth a verdict: 0.1 percentage points of a fraction, 0.1 points, and 0.1 % of the old
    value for any other unit. It is not the sampling error of the test split: both sides were judged on the same one."""
    return MARGINS.get(unit, RELATIVE_MARGIN * abs(value))


def verdict_metric(comparison: Comparison, *, higher_is_better: bool, margin: float, p: float | None = None) -> Verdict:
    """Better or worse where the difference is significant and at least the margin. `p`: the corrected p-value, where
    the comparison is one of several."""
    p = comparison.p if p is None else p
    if comparison.effect is None or p is None:
        return Verdict(call="can't tell", why=comparison.how)
    shown = f"{comparison.how}, p = {p:.2g}"
    if p >= ALPHA:
        return Verdict(call="can't tell", why=shown)
    if abs(comparison.effect) < margin:
        return Verdict(call="can't tell", why=f"{shown}, but smaller than the margin of {margin:.2g}")
    return Verdict(call="better" if (comparison.effect > 0) == higher_is_better else "worse", why=shown)


def verdict_memory(old: float | None, new: float | None) -> Verdict:
    """Memory hardly varies between launches, so a change of more than 1 % of the old value is called as it is."""
    if old is None or new is None or not (math.isfinite(old) and math.isfinite(new)) or old <= 0:
        return Verdict(call="can't tell", why="not measured on both sides")
    if abs(new - old) <= MEMORY_MARGIN * old:
        return Verdict(call="can't tell", why=f"within {MEMORY_MARGIN:.0%}")
    return Verdict(call="worse" if new > old else "better", why=f"more than {MEMORY_MARGIN:.0%}")


def pareto_front(quality: Sequence[float], *costs: Sequence[float]) -> list[bool]:
    """For each point, whether no other has at least its quality at no more of any cost and is truly better in one of
    them. Higher quality and lower costs are better; points with a NaN are never on the front."""
    points = [(-q, *rest) for q, *rest in zip(quality, *costs, strict=True)]
    valid = {point for point in points if not any(map(math.isnan, point))}

    def dominated(point: tuple[float, ...]) -> bool:
        return any(other != point and all(map(operator.le, other, point)) for other in valid)

    return [point in valid and not dominated(point) for point in points]


def variance(values: Sequence[float]) -> float:
    """The sample variance of two values or more; exactly 0 of equal ones. (statistics.variance, which reckons in
    fractions, takes twenty times as long.)"""
    shifted = [value - values[0] for value in values]
    mean = math.fsum(shifted) / len(shifted)
    return math.fsum((value - mean) ** 2 for value in shifted) / (len(shifted) - 1)


def stdev(values: Sequence[float]) -> float:
    """The sample standard deviation of two values or more."""
    return math.sqrt(variance(values))


def finite_scores(scores: Scores) -> dict[int, float]:
    """The scores without NaN and infinity."""
    return {seed: float(v) for seed, v in scores.items() if math.isfinite(v)}


def all_equal(values: Sequence[float], scale: float) -> bool:
    """Equal up to the rounding of numbers of this size."""
    return max(values) - min(values) <= 1e-12 * scale


def _t_quantile(degrees: float, confidence: float) -> float:
    from scipy.special import stdtrit  # scipy.stats would cost a second more to import

    return float(stdtrit(degrees, (1 + confidence) / 2))


def _t_p(t: float, degrees: float) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(degrees, -abs(t)))
