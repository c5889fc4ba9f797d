"""Which model under a budget: of one task's rows those that keep limits, the best of them, and what would decide.

Each table (rows that are ranked together) has an answer of its own. Tests are those of the whole table, corrected over
all its pairs: limits and filters choose among its rows and change no verdict. A speed that is flagged unusable is taken
for not measured: it never decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ..contract.choice import Choice
from ..errors import unknown
from ..results import BySuite
from . import filters, leaderboard
from .groups import Group, RowKey
from .power import level_of, seeds_needed, side_of
from .ranking import Standing
from .rendering import HIGHEST_FIRST, missing, title_of
from .selection import COSTS, derived, is_doubted, kinds_of, name_of, rows_of
from .stats import pareto_front


@dataclass(frozen=True)
class Limit:
    """The most (of throughput the least) that a column may be. `text`: as it was asked for."""

    column: str
    value: float
    text: str

    @property
    def sign(self) -> str:
        return ">=" if self.column in HIGHEST_FIRST else "<="

    def __str__(self) -> str:
        return f"{self.column} {self.sign} {self.text}"

    def holds(self, value: float) -> bool:
        return value >= self.value if self.column in HIGHEST_FIRST else value <= self.value


LIMITS = {
    "max_latency": "latency_p50_ms", "max_params": "params", "max_size": "size_mb", "max_memory": "train_peak_mib",
    "max_train_time": "train_s", "min_throughput": "infer_examples_per_s",
}  # fmt: skip
"""Options of `dlbench pick`, and the columns that they limit."""


@dataclass(frozen=True)
class Candidate:
    """A row that keeps the limits. `gap`: how far its mean lies behind the best's. `seeds`: of each of the two, so that
    a difference of this size is found in 8 of 10 cases, where they aren't told apart and seeds can do it. `fixed`:
    one of the two has the same score for every seed, and an error that more of them don't lower."""

    row: dict[str, Any]
    group: Group
    on_front: bool
    gap: float
    told_apart: bool
    seeds: int | None = None
    fixed: bool = False

    @property
    def name(self) -> str:
        return name_of(self.row)


@dataclass(frozen=True)
class Pick:
    """The answer of one table: its candidates, the best first; the columns that the front is about; and why each of the
    other rows was left out (reason -> names). `pairs`: over how many the tests are corrected."""

    title: str
    candidates: list[Candidate]
    columns: list[str]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    pairs: int = 0

    @property
    def best(self) -> Candidate | None:
        return self.candidates[0] if self.candidates else None

    @property
    def rivals(self) -> list[Candidate]:
        """Those that can't be told apart from the best."""
        return [candidate for candidate in self.candidates[1:] if not candidate.told_apart]


def pick(by_suite: BySuite, task: str, limits: Sequence[Limit], where: str | None = None) -> list[Pick]:
    """An answer for each table of the task's rows; raises UsageError where there is no such task, or on a filter that
    can't be read."""
    frame, groups = leaderboard.rows_and_groups(by_suite)
    frame = derived(frame)
    wanted, known = str(Choice.parse(task)), set(frame["task"])
    if wanted not in known:
        raise unknown("task in these results", wanted, known)
    asked = filters.parse(where, kinds_of(frame.columns)) if where is not None else None
    columns = [
        *dict.fromkeys([*(limit.column for limit in limits), *sorted((asked.columns if asked else set()) & COSTS)])
    ]
    tables: dict[RowKey, list[int]] = {}
    for i, group in enumerate(groups):
        if group.key.task == wanted:
            tables.setdefault(group.key.table, []).append(i)
    rows = rows_of(frame)
    return [
        _picked(frame.iloc[members], [(rows[i], groups[i]) for i in members], columns, limits, asked)
        for members in tables.values()
    ]


def _picked(
    part: pd.DataFrame, members: list[tuple[dict[str, Any], Group]], columns: list[str], limits: Sequence[Limit],
    asked: filters.Filter | None,
) -> Pick:  # fmt: skip
    found = leaderboard.standing_of([group for _, group in members])
    kept, left_out = [], dict[str, list[str]]()
    for row, group in members:
        if (why := obstacle(row, limits, asked)) is None:
            kept.append((row, group))
        else:
            left_out.setdefault(why, []).append(name_of(row))
    models = int(pd.Series(found.error).notna().sum())
    return Pick(title_of(part), _candidates(found, kept, columns), columns, left_out, models * (models - 1) // 2)


def obstacle(row: Mapping[str, Any], limits: Iterable[Limit], asked: filters.Filter | None) -> str | None:
    """Why a row can't be picked; None where it can. What is known to break a limit is said before what isn't known."""
    if missing(row["mean"]):
        return "no seed ended ok"
    if not row["rank"]:
        return "without a rank: its score is better than can be, or its samples are training examples"
    usable: dict[str, Any] = {name: None if is_doubted(row, name) else value for name, value in row.items()}
    for limit in limits:
        if not missing(usable[limit.column]) and not limit.holds(usable[limit.column]):
            return f"not {limit}"
    holds = True if asked is None else asked(usable)
    if holds is False:
        return "not what --where asks for"
    open_ = [limit.column for limit in limits if missing(usable[limit.column])]
    if holds is None and asked is not None:
        open_ += sorted(name for name in asked.columns if missing(usable[name]))
    if doubted := [name for name in open_ if is_doubted(row, name) and not missing(row[name])]:
        return f"{doubted[0]} is flagged unusable, so it can't decide"
    return f"{open_[0]} isn't measured" if open_ else None


def _candidates(
    found: Standing[RowKey], kept: list[tuple[dict[str, Any], Group]], columns: list[str]
) -> list[Candidate]:
    """The rows that are left, the best mean first; of equal ones that with the smaller costs."""
    if not kept:
        return []
    place = {key: i for i, key in enumerate(found.names)}
    quality = [float(found.gain[place[group.key]]) for _, group in kept]
    costs = [[_cost(row, column) for row, _ in kept] for column in columns]
    front = pareto_front(quality, *costs)
    order = sorted(range(len(kept)), key=lambda i: (-quality[i], [cost[i] for cost in costs]))
    best = place[kept[order[0]][1].key]
    candidates = []
    for i in order:
        row, group = kept[i]
        mine, gap, seeds = place[group.key], quality[order[0]] - quality[i], None
        apart, sides = bool(found.better[best, mine]), (side_of(found, best), side_of(found, mine))
        if mine != best and not apart:
            seeds = seeds_needed(gap, *sides, level_of(found, best, mine))
        fixed = any(side.error is not None for side in sides)
        candidates.append(Candidate(row, group, front[i], gap, apart, seeds, fixed))
    return candidates


def _cost(row: Mapping[str, Any], column: str) -> float:
    """NaN where it isn't measured or can't be used."""
    if missing(row[column]) or is_doubted(row, column):
        return math.nan
    return float(row[column]) * (-1 if column in HIGHEST_FIRST else 1)
