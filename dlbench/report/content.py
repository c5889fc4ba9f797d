"""Records -> what the page shows, as one value for JSON: rows, tables, plots, what failed, environments, pictures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ..results import BySuite, now
from ..tables import leaderboard, selection
from ..tables.groups import Group, is_number, status_of
from ..tables.marks import meaning
from ..tables.milestones import shown
from ..tables.publishing import scrubbed
from ..tables.rendering import (
    FIGURES,
    HEADER,
    HIGHEST_FIRST,
    head_of,
    missing,
    parts,
    section,
    title_of,
)  # fmt: skip
from .panels import COSTS, Member, Panel, labels_of, panels_of, short_number
from .places import Places

if TYPE_CHECKING:
    pass

CURVE_POINTS, FEWEST, MOST = 20_000, 12, 100
"""Of all curves of a page together; of one curve."""
LONGEST_TEXT = 1_200
MOST_METRICS = 24
COLUMN_OF = {
    "model": "model", "treatment": "treatment", "score": "mean", "rank": "rank", "notes": "flags",
    **dict(zip(HEADER[5:11], FIGURES, strict=True)),
}  # fmt: skip
"""What a heading of a table for people is sorted by."""
ABOUT = ("cpu", "gpu", "cores", "os", "python", "torch", "numpy", "cuda", "cudnn", "governor")
"""What is said of a machine."""


class Content:
    """A page's content, without what is found on disk. `tables` are the tasks under each title, with their panels."""

    def __init__(self, by_suite: BySuite, where: str | None = None) -> None:
        whole, groups = leaderboard.rows_and_groups(by_suite)
        frame = selection.derived(whole)
        fronts = {column: set(selection.front(frame, column)[0].index) for column in COSTS}
        self.problems = by_suite.problems
        self.all_rows = len(frame)
        if where is not None:
            kept = selection.held(frame, where)
            frame = frame[kept]
        self.groups = [groups[i] for i in frame.index]
        place = {old: new for new, old in enumerate(frame.index)}
        self.fronts = {column: {place[i] for i in on if i in place} for column, on in fronts.items()}
        self.frame = frame.reset_index(drop=True)
        self.whole = whole.loc[frame.index].reset_index(drop=True)
        self.rows = selection.rows_of(self.frame)
        shown_records = by_suite if len(frame) == self.all_rows else selection.records_of(by_suite, self.frame)
        self.notes = leaderboard.notes(shown_records)
        self.tables = list(self._tables())

    def _tables(self) -> Iterable[tuple[str, list[Member], list[Panel]]]:
        """Of each table of ranked rows the title, the rows and the panels."""
        points = max(FEWEST, min(MOST, CURVE_POINTS // max(1, len(self.rows))))
        for part in parts(self.frame):
            for _, mine in part.groupby("task", sort=False):
                members = [Member(i, self.rows[i], self.groups[i]) for i in mine.index]
                yield title_of(part), members, panels_of(members, self.fronts, points)

    def as_json(self, places: Places, title: str) -> dict[str, Any]:
        """For JSON: numbers that aren't finite are texts, nothing is longer than LONGEST_TEXT, and no text holds an
        absolute path or this host's name."""
        folders: dict[tuple[str, str], int] = {}
        kinds = selection.kinds_of(self.frame.columns)
        body = {
            "title": title, "made": now(), "all_rows": self.all_rows,
            "columns": [[name, kind, name in HIGHEST_FIRST] for name, kind in kinds.items()],
            "rows": [self._row(i, row, places, folders) for i, row in enumerate(self.rows)],
            "parts": list(self._parts()),
            "tables": [
                {"title": head, "task": members[0].row["task"], "labels": labels_of(members),
                 "rows": [m.place for m in members], "panels": [asdict(panel) for panel in panels]}
                for head, members, panels in self.tables
            ],
            "flags": {flag: meaning(flag) for row in self.rows for flag in str(row["flags"]).split()},
            "notes": self.notes, "problems": self.problems, "environments": environments(self.groups),
            "speeds": sorted(selection.SPEEDS),
        }  # fmt: skip
        return {**plain(scrubbed(clipped(body))), "folders": [list(pair) for pair in folders]}

    def _row(self, index: int, row: Mapping[str, Any], places: Places, folders: dict[Any, int]) -> dict[str, Any]:
        group = self.groups[index]
        values = [None if missing(v) else v.item() if hasattr(v, "item") else v for v in row.values()]
        return {
            "name": selection.name_of(row), "values": [short_of(v) for v in values],
            "metrics": other_metrics(group),
            "records": record_lines(group, places, folders),
        }  # fmt: skip

    def _parts(self) -> Iterable[dict[str, Any]]:
        """The tables for people: the same titles, cells and order as `dlbench table --format md` prints."""
        for part in parts(self.whole):
            title, cells = section(part)
            head, extra = head_of(part), {label: column for column, label in shown(part).items()}
            columns = {**COLUMN_OF, **extra}
            kept = [
                i
                for i, name in enumerate(head)
                if i > 1 and (name == "model" or any(c[i] not in ("", "-") for c in cells))
            ]
            yield {
                "title": title_of(part), "all_rows": title.removeprefix(title_of(part)).removeprefix(" · all rows: "),
                "head": [[head[i], columns[head[i]]] for i in kept],
                "groups": [
                    {"task": task, "heading": " · ".join(cells[list(part.index).index(mine.index[0])][:2]),
                     "rows": [int(i) for i in mine.index]}
                    for task, mine in part.groupby("task", sort=False)
                ],
                "cells": {int(i): [line[k] for k in kept] for i, line in zip(part.index, cells, strict=True)},
            }  # fmt: skip


def record_lines(group: Group, places: Places, folders: dict[Any, int]) -> list[list[Any]]:
    """Of each record its name, seed (None of a profile), status, score, and the folder's place in `folders` (None where
    there is no file)."""
    scores, lines = group.scores(), []
    for record in group.records:
        found = places.of(group.key.suite, record.name)
        at = None if found is None else folders.setdefault(found, len(folders))
        seed = None if record.is_profile else int(record["seed"])
        status = record.status if seed is None else status_of(record)
        lines.append([record.name, seed, status, None if seed is None else short_of(scores.get(seed)), at])
    return lines


def other_metrics(group: Group) -> list[list[Any]]:
    """The means over seeds, on the test split, of what the task measures beside its metric."""
    names = dict.fromkeys(name for cell in group.ok for name in (cell["metrics"].get("test") or {}))
    names.pop(group.head["task"]["metric"]["name"], None)
    means = [(name, list(group.scores(name).values())) for name in names]
    return [[name, short_number(fmean(values))] for name, values in means if values][:MOST_METRICS]


def environments(groups: Iterable[Group]) -> list[dict[str, Any]]:
    """What the records say of where they were made, and how many say so; machines that differ in nothing that is shown
    are one."""
    found: Counter[tuple[tuple[str, str], ...]] = Counter()
    made: dict[tuple[tuple[str, str], ...], list[str]] = {}
    seen: set[int] = set()
    for record in (record for group in groups for record in group.records):
        if id(record.body) in seen:
            continue
        seen.add(id(record.body))
        environment = record.get("environment") or {}
        about = {"machine": environment.get("machine"), **{key: environment.get(key) for key in ABOUT}}
        if is_number(size := environment.get("ram_bytes")):
            about["memory"] = f"{size / 2**30:.1f} GiB"
        about |= {"dlbench": record.get("dlbench"), "protocol": record.get("protocol")}
        key = tuple((name, _said(value)) for name, value in about.items() if value not in (None, "", {}))
        found[key] += 1
        made.setdefault(key, []).append(str(record.get("created") or ""))
    return [
        {"about": [list(pair) for pair in key], "records": count, "first": min(made[key]), "last": max(made[key])}
        for key, count in found.most_common()
    ]


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {inner}" for key, inner in value.items() if inner is not None)
    return str(value)


def short_of(value: Any) -> Any:
    """A figure to six significant digits, as in the CSV; anything else as it is."""
    if isinstance(value, float) and is_number(value):
        value = float(f"{value:.6g}")
        return int(value) if value == int(value) and abs(value) < 1e15 else value
    return value


def clipped(value: Any) -> Any:
    """The value with its texts cut to LONGEST_TEXT, which is said."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:LONGEST_TEXT]}… ({len(value):,} characters)"
    if isinstance(value, dict):
        return {clipped(key): clipped(item) for key, item in value.items()}
    return [clipped(item) for item in value] if isinstance(value, (list, tuple)) else value


def plain(value: Any) -> Any:
    """The value as JSON has it: NaN, Infinity and -Infinity are texts, which the page reads as numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
