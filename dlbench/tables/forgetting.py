"""Which squares of a results folder rows stand on, to be forgotten.

A row is forgotten as a whole, with the seeds that ended ok: a row without the seeds that failed would look better than
it is. A profile that another row shows as well stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ..results import Record, Results
from . import leaderboard
from .groups import Group, RowKey, placed_in_rows, status_of
from .selection import derived, held


@dataclass
class Forgotten:
    """What would go: of each row (as text) its records, and of each suite its squares with the names of the records."""

    rows: dict[str, list[Record]] = field(default_factory=dict)
    squares: dict[str, dict[str, str]] = field(default_factory=dict)


def to_forget(results: Results, where: str | None = None, bad: Callable[[Record], bool] | None = None) -> Forgotten:
    """The rows of which the filter is known to hold, and of these, where `bad` is given, the rows with a cell that is
    bad, and of the others the profile, if that is. Raises UsageError on a filter that can't be read."""
    placed = {suite: results.placed(suite) for suite in results.suites()}
    by_suite = {suite: [record for _, record in pairs] for suite, pairs in placed.items()}
    frame, groups = leaderboard.rows_and_groups(by_suite)
    asked = [True] * len(groups) if where is None else held(derived(frame), where)
    whole, profiles = [], []
    for group, wanted in zip(groups, asked, strict=True):
        if wanted and (bad is None or any(map(bad, group.cells or group.records))):
            whole.append(group)
        elif wanted and bad is not None and group.profile is not None and bad(group.profile):
            profiles.append(group)
    return _squares(placed, groups, whole, profiles)


def has_failed(record: Record) -> bool:
    """Whether a cell or a profile didn't end ok."""
    return (record.status if record.is_profile else status_of(record)) != "ok"


def _squares(
    placed: Mapping[str, list[tuple[str, Record]]], groups: Iterable[Group], whole: list[Group], profiles: list[Group]
) -> Forgotten:
    keys = {group.key for group in whole}
    without = {(group.key.suite, group.profile.name) for group in profiles if group.profile is not None}
    shown = {(group.key.suite, group.profile.name) for group in groups if group.key not in keys and group.profile}
    went = {(group.key.suite, group.profile.name): group.key for group in whole if group.profile}
    found = Forgotten()
    for suite, pairs in placed.items():
        in_rows = placed_in_rows(suite, [record for _, record in pairs])
        for (square, record), (key, _) in zip(pairs, in_rows, strict=True):
            place = suite, record.name
            if record.is_profile:
                gone = place in without or ((key in keys or place in went) and place not in shown)
                key = went.get(place, key)
            else:
                gone = key in keys
            if gone:
                found.rows.setdefault(row_text(key), []).append(record)
                found.squares.setdefault(suite, {})[square] = record.name
    return found


def row_text(key: RowKey) -> str:
    """`digits x mlp (variant), cpu fp32 1 thread`."""
    variant = f" ({key.variant})" if key.variant else ""
    return f"{key.suite}: {key.task} x {key.model_text}{variant}, {key.runtime_text}"
