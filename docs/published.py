"""The table of every published leaderboard, in README.md and results/README.md: made of its records."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from dlbench.plan.outdated import outdated
from dlbench.plan.plan import Makings
from dlbench.results import BySuite, Record, load_by_suite
from dlbench.tables import leaderboard
from dlbench.tables.markdown import escaped
from dlbench.tables.rendering import score_text
from dlbench.tables.selection import derived, name_of, rows_of

HEADER = ("leaderboard", "rows", "best of each task", "run", "verified", "of today's program")


def folders(results: Path) -> list[Path]:
    """The published folders, SUITE/MACHINE each."""
    return sorted(path.parent for path in results.glob("*/*/records") if path.is_dir())


@cache
def read(folder: Path) -> BySuite:
    """What a folder holds, all of it as it was published."""
    found = load_by_suite(folder)
    assert not found.problems, found.problems
    return found


@cache
def changes(folder: Path, makings: Makings) -> dict[str, int]:
    """How many records today's programs wouldn't make again, by what has changed since."""
    why: dict[str, int] = {}
    for record in records_of(folder):
        if reasons := ", ".join(outdated(record, makings)):
            why[reasons] = why.get(reasons, 0) + 1
    return why


def records_of(folder: Path) -> list[Record]:
    return [record for records in read(folder).values() for record in records]


def table(results: Path, makings: Makings, base: str = "") -> str:
    """A line for each leaderboard. `base`: what links begin with."""
    lines = ["| " + " | ".join(HEADER) + " |", "|---|--:|---|---|---|---|"]
    lines += ["| " + " | ".join(_line(folder, makings, base)) + " |" for folder in folders(results)]
    return "\n".join(lines) + "\n"


def _line(folder: Path, makings: Makings, base: str) -> list[str]:
    rows = rows_of(derived(leaderboard.rows(read(folder))))
    name, count = f"{folder.parent.name}/{folder.name}", len(records_of(folder))
    stale = sum(changes(folder, makings).values())
    dates = sorted(str(record.get("created"))[:10] for record in records_of(folder))
    verified = sum(row["verified"] > 0 for row in rows)
    return [
        f"[{name}]({base}{name})", str(len(rows)), "<br>".join(best(rows)),
        dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}",
        f"{verified} of {len(rows)} rows" if verified else "-",
        {0: "yes", count: "no"}.get(stale, f"{count - stale} of {count} records"),
    ]  # fmt: skip


def best(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Of each task with ranked rows the one with the best mean over all variants, with its interval."""
    for task in dict.fromkeys(row["task"] for row in rows):
        mine = [row for row in rows if row["task"] == task]
        ranked = [row for row in mine if row["rank"]]
        if not ranked:  # profiles alone, or scores that can't be
            continue
        first = max(ranked, key=lambda row: row["mean"] * (1 if row["higher_is_better"] else -1))
        variant = f" ({first['variant']})" if len({row["variant"] for row in mine}) > 1 and first["variant"] else ""
        metric = first["metric"] + ("" if first["higher_is_better"] else " ↓")
        yield escaped(f"{task}: {name_of(first)}{variant}, {metric} {score_text(first)}")
