"""Learning curves of rows: one line for all folds and seeds, levels that training reached, ranks after a budget.

A curve of a cell is the mean over its folds, evaluation by evaluation, as far as the shortest fold goes; its steps,
seconds and FLOPs are those of one fold (their mean). A curve of a row is the same over its seeds.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean
from typing import Any

from ..records.facts import has_own_clock
from ..tables.groups import Group, is_number

CLOCKS = ("step", "seconds", "flops")
BUDGETS = 16
"""At so many budgets the rows are ranked, from the first evaluation of any row to the last."""
SHARES = (0.5, 0.8, 0.9, 0.95)
"""Of the way from the floor to the best score on validation: levels for tasks that name none."""

Columns = dict[str, list[float]]


@dataclass(frozen=True)
class Curve:
    """Of a row: what stands at each evaluation, as means over seeds, `low` and `high` the ends over seeds; and of each
    seed the same columns, where `best` is what its training would be judged by if it ended there."""

    points: Columns
    seeds: list[Columns]


def curve_of(group: Group) -> Curve | None:
    """The row's curve on validation; None where no cell that is ok has two evaluations."""
    seeds = [found for cell in group.ok if (found := _of_cell(group, cell.body)) and len(found["val"]) > 1]
    if not seeds:
        return None
    points = _mean(seeds)
    together = list(zip(*(seed["val"] for seed in seeds), strict=False))
    points |= {"low": [min(values) for values in together], "high": [max(values) for values in together]}
    return Curve(points, seeds)


def thinned(points: Columns, most: int) -> Columns:
    """At most so many of a curve's points: the first, the last, the best, and others that lie as evenly among the
    evaluations as among their logarithms, since most happens early."""
    count = len(points["val"])
    if count <= most:
        return points
    half = max(2, (most - 2) // 2)
    even = {round(i * (count - 1) / (half - 1)) for i in range(half)}
    early = {round(math.exp(i * math.log(count) / (half - 1))) - 1 for i in range(half)}
    finite = [i for i in range(count) if math.isfinite(points["val"][i])]
    ends = {pick(finite, key=lambda i: points["val"][i]) for pick in (min, max) if finite}
    kept = sorted(even | early | ends)
    return {name: [values[i] for i in kept] for name, values in points.items()}


def levels(groups: Sequence[Group], curves: Sequence[Curve | None]) -> tuple[list[float], bool]:
    """Values of the metric on validation whose time is of interest, and whether the task names them: its milestones and
    its reference, else shares of the way from the floor (or where the worst row starts) to the best row's best."""
    from ..tables.leaderboard import yardsticks
    from ..tables.milestones import milestones_of

    reference = yardsticks(groups[0])["reference"]
    named = [*milestones_of(groups[0]), *([reference] if is_number(reference) else [])]
    if named:
        return sorted(set(named)), True
    sign = sign_of(groups[0])
    known = [fmean(seed["best"][-1] for seed in curve.seeds) for curve in curves if curve]
    starts = [curve.points["val"][0] for curve in curves if curve]
    floor = groups[0].floor
    floor = floor if is_number(floor) else min(starts, key=lambda v: sign * v, default=math.nan)
    best = max((value for value in known if math.isfinite(value)), key=lambda v: sign * v, default=math.nan)
    if not sign * (best - floor) > 0 or math.isinf(floor):
        return [], False
    return [float(f"{floor + share * (best - floor):.3g}") for share in SHARES], False


def ranks_after(
    curves: Sequence[Curve | None], clock: str, higher_is_better: bool
) -> tuple[list[float], list[list[int | None]]]:
    """Budgets on a clock, and of each row its rank after each of them by the mean over seeds of what training would be
    judged by: 1 + the number of rows that are better. None before a row's first evaluation. A row whose training ended
    earlier keeps what it had. Both are empty where fewer than two rows have the clock."""
    there = {i: curve.seeds for i, curve in enumerate(curves) if curve and all(clock in s for s in curve.seeds)}
    times = [time for seeds in there.values() for seed in seeds for time in (seed[clock][0], seed[clock][-1])]
    if len(there) < 2 or not 0 < min(times) < max(times):
        return [], []
    low, high = math.log(min(times)), math.log(max(times))
    budgets = [float(f"{math.exp(low + (high - low) * i / (BUDGETS - 1)):.4g}") for i in range(BUDGETS)]
    budgets[-1] = max(times)  # not rounded below it
    sign = 1 if higher_is_better else -1
    ranks: list[list[int | None]] = [[None] * BUDGETS for _ in curves]
    for at, budget in enumerate(budgets):
        scores = {i: value for i, seeds in there.items() if (value := _judged(seeds, clock, budget)) is not None}
        for i, value in scores.items():
            ranks[i][at] = 1 + sum(sign * other > sign * value for other in scores.values())
    return budgets, ranks


def sign_of(group: Group) -> int:
    """1 where more is better of the row's metric, else -1."""
    return 1 if group.head["task"]["metric"]["higher_is_better"] else -1


def _judged(seeds: Sequence[Columns], clock: str, budget: float) -> float | None:
    found = [bisect_right(seed[clock], budget) - 1 for seed in seeds]
    if min(found) < 0:
        return None
    value = fmean(seed["best"][at] for seed, at in zip(seeds, found, strict=True))
    return value if math.isfinite(value) else None


def _of_cell(group: Group, cell: Mapping[str, Any]) -> Columns:
    metric = group.head["task"]["metric"]["name"]
    clocks = [clock for clock in CLOCKS if clock != "seconds" or has_own_clock(cell)]
    folds = [_of_fold(curve, metric, clocks) for curve in cell.get("curves") or [] if isinstance(curve, list)]
    if not folds or not all(folds):
        return {}
    mean = _mean(folds)
    if (cell.get("recipe") or {}).get("select") == "last":
        return {**mean, "best": mean["val"]}
    better = max if sign_of(group) > 0 else min
    return {**mean, "best": list(accumulate(mean["val"], lambda a, b: b if math.isnan(a) else better(a, b)))}


def _of_fold(curve: Sequence[Any], metric: str, clocks: Sequence[str]) -> Columns:
    """The columns of a fold; a clock or a loss that a point lacks is left out. Empty where a point has no metric."""
    points = [point for point in curve if isinstance(point, dict)]
    values = [_number((point.get("val") or {}).get(metric)) for point in points]
    if not values or None in values:
        return {}
    columns: Columns = {"val": [value for value in values if value is not None]}
    for name in (*clocks, "loss"):
        read = [_number(point.get(name)) for point in points]
        if None not in read:
            columns[name] = [value for value in read if value is not None]
    return columns


def _number(value: Any) -> float | None:
    """A number as it stands, NaN and infinity too."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _mean(parts: Sequence[Columns]) -> Columns:
    """Point by point, as far as the shortest part goes, of the columns that all parts have."""
    if len(parts) == 1:
        return dict(parts[0])
    shared = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: [fmean(v) for v in zip(*(part[name] for part in parts), strict=False)] for name in shared}
