"""Speeds of two runs: is the program slower, or the machine?

Each speed is compared relative to the calibration (`dlbench.measure.calibration`), a fixed program that was timed
around its blocks, in logarithms and launch by launch. Not every program feels a machine's mood as the calibration does,
so a share (`DRIFT_SHARE`) of the change that the calibration itself shows is left to chance: within it nothing is said.
Speeds without a calibration can't be told from the machine's, and no verdict is given.

Variances of a handful of launches are poor. Both sides of a speed share one, and the mean variance of all other speeds
stands beside it with the weight of `PRIOR_DEGREES` degrees of freedom (an empirical Bayes estimate after Smyth 2004,
"Linear Models and Empirical Bayes Methods"). P-values are corrected over all speeds of a comparison (Holm).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median, variance

from .stats import ALPHA, Comparison, Verdict, holm

SPEED_MARGIN = 0.05
DRIFT_SHARE = 0.5
PRIOR_DEGREES = 2.0


@dataclass(frozen=True, kw_only=True)
class Launches:
    """One side: seconds per step, and of the calibration around it, a figure per launch, all above zero."""

    seconds: Sequence[float]
    calibration: Sequence[float] = ()


@dataclass(frozen=True)
class _Change:
    """New against old, in logarithms: the ratio relative to the calibration, the calibration's own, the pooled variance
    of a launch, and how many launches there are on either side."""

    effect: float
    drift: float
    variance: float
    counts: tuple[int, int]


def felt(blocks: Sequence[float], readings: Sequence[float]) -> float:
    """The calibration as a launch's blocks felt it: the pace changes within them, so each block is held against the
    readings just before and after it, and the median block divided by what comes back is the median of these ratios."""
    if len(readings) != len(blocks) + 1:
        return median(readings)
    return median(blocks) / median(
        block / fmean(around) for block, around in zip(blocks, pairwise(readings), strict=True)
    )


def compare_speeds(pairs: Sequence[tuple[Launches, Launches]]) -> list[Comparison]:
    """For each pair (old, new) the ratio new / old of times relative to the calibration, with its interval, and its
    p-value corrected over all pairs. Where a side wasn't measured or calibrated there is no p-value."""
    found = [_change(*pair) for pair in pairs]
    variances = {i: change.variance for i, change in enumerate(found) if isinstance(change, _Change)}
    comparisons = [
        _tested(change, [v for other, v in variances.items() if other != i]) if isinstance(change, _Change) else change
        for i, change in enumerate(found)
    ]
    corrected = holm([comparison.p for comparison in comparisons])
    return [
        Comparison(effect=c.effect, low=c.low, high=c.high, p=p, how=c.how)
        for c, p in zip(comparisons, corrected, strict=True)
    ]


def verdict_speed(comparison: Comparison) -> Verdict:
    """For a ratio of times, so that above 1 is slower: better or worse where it is significant and outside
    [0.95, 1.05]. Both conditions are needed: the first holds false alarms down on a noisy machine, the second on a
    quiet one."""
    if comparison.effect is None or comparison.p is None:
        return Verdict(call="can't tell", why=comparison.how)
    shown = f"{comparison.how}, p = {comparison.p:.2g}"
    if comparison.p >= ALPHA:
        return Verdict(call="can't tell", why=shown)
    if 1 - SPEED_MARGIN <= comparison.effect <= 1 + SPEED_MARGIN:
        return Verdict(call="can't tell", why=f"{shown}, but within {SPEED_MARGIN:.0%}")
    return Verdict(call="worse" if comparison.effect > 1 else "better", why=shown)


def _change(old: Launches, new: Launches) -> _Change | Comparison:
    """What changed; a comparison without a p-value where that can't be tested."""
    sides = (old, new)
    if not (old.seconds and new.seconds):
        return Comparison(effect=None, how="not measured on both sides")
    raw = _log_ratio(old.seconds, new.seconds)
    if any(len(side.calibration) != len(side.seconds) for side in sides):
        return Comparison(effect=math.exp(raw), how="no calibration tells the machine's pace: measure both sides anew")
    if min(len(side.seconds) for side in sides) < 2:
        return Comparison(effect=math.exp(raw), how="one launch can't be tested")
    drift = _log_ratio(old.calibration, new.calibration)
    relative = [[math.log(s / c) for s, c in zip(side.seconds, side.calibration, strict=True)] for side in sides]
    counts = len(relative[0]), len(relative[1])
    pooled = sum((len(side) - 1) * variance(side) for side in relative) / (sum(counts) - 2)
    return _Change(raw - drift, drift, pooled, counts)


def _tested(change: _Change, others: Sequence[float]) -> Comparison:
    """The t-test of a change beyond what the machine's drift may explain. `others`: variances of other speeds."""
    from scipy.special import stdtr, stdtrit  # scipy.stats would cost a second more to import

    own, prior = sum(change.counts) - 2, PRIOR_DEGREES if others else 0.0
    moderated = (own * change.variance + prior * (fmean(others) if others else 0.0)) / (own + prior)
    error, allowance = math.sqrt(moderated * sum(1 / n for n in change.counts)), DRIFT_SHARE * abs(change.drift)
    beyond = max(0.0, abs(change.effect) - allowance)
    p = float(2 * stdtr(own + prior, -beyond / error)) if error else float(beyond == 0)
    half = allowance + float(stdtrit(own + prior, 1 - ALPHA / 2)) * error
    low, high = (math.exp(change.effect + sign * half) for sign in (-1, 1))
    launches = " and ".join(map(str, change.counts))
    how = f"t-test over {launches} launches, relative to a calibration that took x{math.exp(change.drift):.3f}"
    return Comparison(effect=math.exp(change.effect), low=low, high=high, p=p, how=how)


def _log_ratio(old: Sequence[float], new: Sequence[float]) -> float:
    return fmean(map(math.log, new)) - fmean(map(math.log, old))
