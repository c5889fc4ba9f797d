"""Records -> contests: who is compared with whom, on which tasks, by which runs.

A contest is one suite under one runtime on one machine under one torch; rows of two runtimes never meet. Its tasks are
the leaderboard's tables. Its competitors are models, or treatments (then each model of a table is a task of its own).
Scores are turned so that more is better.

Nothing is compared over different tasks: a competitor without a score counts as the worst there, or the contest is
split by what is covered. A run that didn't end ok counts as the worst wherever the competitor has others that did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..results import Record
from .groups import Group, RowKey, groups, named, status_of
from .leaderboard import beyond_bound, copied, yardsticks
from .stats import metric_range

Over = Literal["model", "treatment"]
Missing = Literal["worst", "split"]
TRIAL = "tune"
"""A part of the variant of trials of a search: they choose on validation, and their test scores count nowhere."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One table: the rows that count, by competitor. `single`: it has one competitor in a contest of several."""

    label: str
    rows: Mapping[str, Group]

    @property
    def head(self) -> Group:
        return next(iter(self.rows.values()))

    @property
    def metric(self) -> Mapping[str, object]:
        found: Mapping[str, object] = self.head.head["task"]["metric"]
        return found

    @property
    def sign(self) -> int:
        """What a score is multiplied by, so that more is better."""
        return 1 if self.metric["higher_is_better"] else -1

    @property
    def floor(self) -> float | None:
        """Turned; of any row, for one may be alone with the row of `constant` of its treatment."""
        found = [floor for group in self.rows.values() if (floor := group.floor) is not None]
        return self.sign * found[0] if found else None

    @property
    def bound(self) -> float | None:
        bound = yardsticks(self.head)["bound"]
        return None if bound is None else self.sign * bound

    @property
    def worst(self) -> float:
        """What counts where there is no score: that of the worst row, or the floor where that is worse."""
        lowest = min(self.sign * fmean(group.scores().values()) for group in self.rows.values())
        return lowest if self.floor is None else min(lowest, self.floor)

    @property
    def ends(self) -> tuple[float, float, str]:
        """The scores that are 0 and 1 when normalised, and what they are."""
        low, below = (self.worst, "worst row") if self.floor is None else (self.floor, "floor")
        best = max(float(self.runs(name).mean()) for name in self.rows)
        high, above = (best, "best row") if self.bound is None else (self.bound, "bound")
        return low, high, f"{below} to {above}"

    @property
    def optimum(self) -> float | None:
        """The score whose error is 0, turned: the end of the metric's range, else the task's bound."""
        unit, higher = str(self.metric.get("unit") or ""), bool(self.metric["higher_is_better"])
        end = metric_range(unit, higher)[1 if higher else 0]
        return self.sign * end if np.isfinite(end) else self.bound

    def runs(self, name: str) -> Floats:
        """The runs of a competitor, those that failed as the worst; one worst run where it has no score."""
        if name not in self.rows:
            return np.array([self.worst])
        group = self.rows[name]
        ok = [self.sign * score for score in group.scores().values()]
        return np.array([*ok, *[self.worst] * failures(group)], dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Contest:
    """`key` is a RowKey with suite and runtime only. `names` of the competitors, in order. `left_out`: what doesn't
    take part, a sentence each. `part`: what the contest was split by."""

    key: RowKey
    tasks: list[Task]
    names: list[str]
    left_out: list[str] = field(default_factory=list)
    part: str = ""

    @property
    def title(self) -> str:
        torch = f"torch {self.key.torch}" if self.key.torch else ""
        texts = (self.key.suite, self.key.runtime_text, self.key.machine, torch, self.part)
        return " · ".join(text for text in texts if text)

    def covered(self, name: str) -> list[Task]:
        return [task for task in self.tasks if name in task.rows]

    def runs(self) -> list[list[Floats]]:
        """By competitor and task, turned."""
        return [[task.runs(name) for task in self.tasks] for name in self.names]


def contests(by_suite: Mapping[str, list[Record]], over: Over = "model", missing: Missing = "worst") -> list[Contest]:
    """The contests of all suites that have any score."""
    fields: dict[RowKey, list[Group]] = {}
    for group in groups(dict(by_suite)):
        if group.cells and TRIAL not in group.key.variant.split(", ") and (over == "model" or group.key.treatment):
            fields.setdefault(group.key.table._replace(task="", variant=""), []).append(group)
    found = [contest for key, members in fields.items() if (contest := _contest(key, members, over)).tasks]
    return found if missing == "worst" else [part for contest in found for part in split(contest)]


def split(contest: Contest) -> list[Contest]:
    """A contest for each set of tasks that some competitor covers and no more, of all who cover it: most competitors
    first. One who stands alone has a contest where there is no other for it."""
    covered = {name: frozenset(task.label for task in contest.covered(name)) for name in contest.names}
    if len({*covered.values()}) == 1:
        return [contest]
    parts = []
    for labels in {*covered.values()}:
        names = [name for name in contest.names if labels <= covered[name]]
        tasks = [
            replace(task, rows={name: row for name, row in task.rows.items() if name in names})
            for task in contest.tasks
            if task.label in labels
        ]
        what = f"{len(tasks)} task{'s' if len(tasks) > 1 else ''}: {listed(task.label for task in tasks)}"
        parts.append(replace(contest, tasks=tasks, names=names, part=what))
    met = {name for part in parts if len(part.names) > 1 for name in part.names}
    parts = [part for part in parts if len(part.names) > 1 or part.names[0] not in met]
    return sorted(parts, key=lambda part: (-len(part.names), -len(part.tasks), part.part))


def failures(group: Group) -> int:
    """Runs that started and didn't end ok. Without data none starts."""
    return sum(status_of(cell) not in ("ok", "no_data") for cell in group.cells)


def listed(names: Iterable[str], most: int = 3) -> str:
    """Names with commas; of many, some and the number of the others."""
    return joined(names, ", ", most)


def joined(texts: Iterable[str], mark: str, most: int) -> str:
    """Texts with a mark between; of many, some and the number of the others."""
    found = list(texts)
    if len(found) <= most + 1:
        return mark.join(found)
    return f"{mark.join(found[:most])} and {len(found) - most} others"


def _contest(key: RowKey, members: list[Group], over: Over) -> Contest:
    tables: dict[RowKey, dict[str, Group]] = {}
    entered: set[str] = set()
    left_out = []
    for group in members:
        row = group.key
        name = row.treatment if over == "treatment" else named(row.model, row.options)
        place = row.table._replace(treatment=row.treatment) if over == "model" else row._replace(treatment="")
        entered.add(name)
        if beyond_bound(group) or copied(group):
            why = "beyond the bound" if beyond_bound(group) else "copies"
            left_out.append(f"{row.model_text} on {_label(place)} doesn't count: {why}.")
        elif group.scores():
            tables.setdefault(place, {})[name] = group
    lonely = [place for place, rows in tables.items() if len(rows) == 1 and len(entered) > 1]
    if lonely:
        left_out.append(f"With one row there is nothing to compare: {listed(map(_label, lonely), 6)}.")
    tasks = [Task(label=_label(p), rows=rows) for p, rows in sorted(tables.items()) if p not in lonely]
    names = sorted({name for task in tasks for name in task.rows})
    if tasks and (without := sorted(entered - {*names})):
        left_out.append(f"Without a score on any task that is compared: {listed(without, 6)}.")
    return Contest(key=key, tasks=tasks, names=names, left_out=left_out)


def _label(place: RowKey) -> str:
    """A task's name within its contest."""
    more = (place.variant, place.treatment, named(place.model, place.options) if place.model else "")
    extras = "; ".join(text for text in more if text)
    return f"{place.task} ({extras})" if extras else place.task
