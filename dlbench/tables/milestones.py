"""How soon training got somewhere: seconds on the training clock, and steps, until validation first reached a value.

A task's reference is such a value, and so are the milestones that it names. A frame of a leaderboard has two columns
for each milestone of its tasks, behind the fixed ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from statistics import fmean
from typing import TYPE_CHECKING

from ..records.facts import CLOCKS as CLOCKS_OF_CURVES
from ..records.facts import reached
from .groups import Group, is_number

if TYPE_CHECKING:
    import pandas as pd

    from ..results import Record

NUMBER = r"(-?[\d.]+(?:e[+-]?\d+)?)"
COLUMN = re.compile(rf"time_to_{NUMBER}_s|steps_to_{NUMBER}")
CLOCKS = {"time_to_{:g}_s": "seconds", "steps_to_{:g}": "step"}
"""Columns, and what they read of a point of a curve."""


def columns_of(found: Iterable[Group]) -> tuple[str, ...]:
    """The columns that these rows need, in the order in which tasks name their milestones."""
    return tuple(dict.fromkeys(
        column.format(value) for group in found for value in milestones_of(group) for column in CLOCKS
    ))  # fmt: skip


def milestones_of(group: Group) -> list[float]:
    """Those of the row's task; none in records from before there were any."""
    return [float(value) for value in group.head["task"].get("milestones") or [] if is_number(value)]


def times(group: Group) -> dict[str, float | None]:
    """What stands in the row's columns."""
    return {
        column.format(value): time_to(group, value, clock)
        for value in milestones_of(group) for column, clock in CLOCKS.items()
    }  # fmt: skip


def time_to(group: Group, target: float, clock: str = "seconds") -> float | None:
    """Seconds on the training clock, or the `step`, until the task's metric on validation first reached the target:
    over all folds of a cell, then the mean over seeds. None where no cell is ok, or where any fold of any seed that is
    ok never got there, because a mean over the lucky ones would flatter."""
    if not group.ok:
        return None
    totals = [_reached(cell, target, clock) for cell in group.ok]
    found = [total for total in totals if total is not None]
    return fmean(found) if len(found) == len(totals) else None


def shown(part: pd.DataFrame) -> dict[str, str]:
    """The columns of milestones that any row of a table reached, and their headings: `s to 90 %`, `steps to 90 %`."""
    headings = {}
    for column in part.columns:
        match = COLUMN.fullmatch(str(column))
        if match and (there := part[column].notna()).any():
            value, unit = float(match[1] or match[2]), "s" if match[1] else "steps"
            percent = bool((part["unit"][there] == "fraction").all())
            headings[str(column)] = f"{unit} to {100 * value:g} %" if percent else f"{unit} to {value:g}"
    return headings


def _reached(cell: Record, target: float, clock: str) -> float | None:
    for known, *at in cell.facts.get("reached", ()):
        if known == target:
            found: float | None = at[CLOCKS_OF_CURVES.index(clock)]
            return found
    return reached(cell.body, target, clock)
