"""Which rows and columns of a leaderboard are shown: filters, fronts, columns by name, and columns made of others.

Ranks, intervals and flags are those of the whole table: leaving rows out changes none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import UsageError, unknown
from . import filters, leaderboard
from .groups import Group, named
from .latex import latex_table
from .leaderboard import BOOLEANS, TEXTS, TREATMENT, VERIFIED
from .markdown import escaped, markdown_table
from .rendering import (
    FORMATS,
    HIGHEST_FIRST,
    TABLE_KEYS,
    csv_text,
    missing,
    parts,
    score_text,
    short,
    sorted_by,
    terminal_tables,
    title_of,
)  # fmt: skip
from .stats import pareto_front

if TYPE_CHECKING:
    from ..results import BySuite, Record

STORED_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}
"""Of one parameter in a file that holds it in the row's precision."""
MOST_NAMES = 12
SCORE, SIZE, STALE = "score", "size_mb", "stale"
SPEEDS = frozenset({
    "train_examples_per_s", "pipeline_examples_per_s", "infer_examples_per_s", "latency_p50_ms", "latency_p95_ms"
})  # fmt: skip
"""What a profile times, and what its flag `unusable` is about."""
COSTS = SPEEDS | {
    "params",
    SIZE,
    "flops_per_example",
    "train_peak_mib",
    "infer_peak_mib",
    "energy_j_per_example",
    "train_s",
    "epochs",
}
"""Figures that a model is held against beside its score."""
ON_SCALE = frozenset({"mean", "ci_low", "ci_high", "fold_sd", "floor", "bound", "reference"})


def derived(frame: pd.DataFrame) -> pd.DataFrame:
    """A leaderboard with the columns that filters and --columns can name beside those of the CSV: `size_mb` (10^6 bytes
    of the parameters in the row's precision), `score` (mean and interval as a text) and always `treatment` and
    `verified`."""
    rows = rows_of(frame)
    more: dict[str, Any] = {
        SIZE: pd.Series([stored_mb(row) for row in rows], index=frame.index, dtype="float64"),
        SCORE: pd.Series([score_text(row) for row in rows], index=frame.index, dtype="str"),
    }
    if TREATMENT not in frame.columns:
        more[TREATMENT] = pd.Series("", index=frame.index, dtype="str")
    if VERIFIED not in frame.columns:
        more[VERIFIED] = pd.Series(0, index=frame.index, dtype="Int64")
    return frame.assign(**more)


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A dict for each row."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def stored_mb(row: Mapping[str, Any]) -> float | None:
    """10^6 bytes of a row's parameters."""
    size = STORED_BYTES.get(str(row["precision"]).partition(" ")[0])
    return None if missing(row["params"]) or size is None else int(row["params"]) * size / 1e6


def kinds_of(columns: Iterable[str]) -> dict[str, filters.Kind]:
    """What the columns of a leaderboard hold."""
    texts = TEXTS | {SCORE, STALE}
    return {name: "text" if name in texts else "flag" if name in BOOLEANS else "number" for name in columns}


def stale(frame: pd.DataFrame, groups: Sequence[Group], reasons: Callable[[Record], list[str]]) -> pd.DataFrame:
    """The rows with a record that today's program wouldn't make again, with the reasons in a column `stale`."""
    texts = [", ".join(dict.fromkeys(why for record in group.records for why in reasons(record))) for group in groups]
    return frame.assign(**{STALE: pd.Series(texts, index=frame.index, dtype="str")})[[text != "" for text in texts]]


def held(frame: pd.DataFrame, text: str) -> list[bool]:
    """Of each row of a frame with its derived columns, whether a filter is known to hold."""
    holds = filters.parse(text, kinds_of(frame.columns))
    return [holds(row) is True for row in rows_of(frame)]


def where(frame: pd.DataFrame, text: str) -> pd.DataFrame:
    """The rows of which a filter is known to hold."""
    return frame[held(frame, text)]


def groups_where(by_suite: BySuite, text: str) -> list[Group]:
    """What stands behind the rows of which a filter is known to hold."""
    frame, groups = leaderboard.rows_and_groups(by_suite)
    return [group for holds, group in zip(held(derived(frame), text), groups, strict=True) if holds]


def front(frame: pd.DataFrame, column: str) -> tuple[pd.DataFrame, list[str]]:
    """The ranked rows that no other row of their table (one task, under one title) beats in both the mean and this
    column, and a sentence for what can't take part: rows without the figure, and speeds that are flagged unusable."""
    if column not in frame.columns:
        raise unknown("column", column, [name for name, kind in kinds_of(frame.columns).items() if kind == "number"])
    if kinds_of([column])[column] != "number" or column == "mean":
        raise UsageError(f"--front takes a column of figures that the mean is held against, not {column!r}")
    rows = rows_of(frame)
    tables: dict[tuple[Any, ...], list[int]] = {}
    lacking: list[str] = []
    doubted: list[str] = []
    for i, row in enumerate(rows):
        if not row["rank"]:
            continue
        if missing(row[column]):
            lacking.append(name_of(row))
        elif is_doubted(row, column):
            doubted.append(name_of(row))
        else:
            tables.setdefault(table_of(row), []).append(i)
    kept: set[int] = set()
    for members in tables.values():
        quality = [rows[i]["mean"] * (1 if rows[i]["higher_is_better"] else -1) for i in members]
        cost = [rows[i][column] * (-1 if column in HIGHEST_FIRST else 1) for i in members]
        kept |= {i for i, on in zip(members, pareto_front(quality, cost), strict=True) if on}
    said = []
    if doubted:
        said.append(f"not on the front, because the speed is flagged unusable: {listed(doubted)}")
    if lacking:
        said.append(f"not on the front, because {column} isn't measured: {listed(lacking)}")
    return frame.iloc[sorted(kept)], said


def name_of(row: Mapping[str, Any]) -> str:
    """The row's model with its options, and its treatment."""
    return named(row["model"], row["options"], row.get(TREATMENT) or "")


def listed(names: Iterable[str]) -> str:
    """Names with commas, each once, the first twelve."""
    each = [*dict.fromkeys(names)]
    return ", ".join(each[:MOST_NAMES]) + (f" and {len(each) - MOST_NAMES} more" if len(each) > MOST_NAMES else "")


def is_doubted(row: Mapping[str, Any], column: str) -> bool:
    """Whether a column is a speed that the row's profile says is not to be used."""
    return column in SPEEDS and "unusable" in str(row["flags"]).split()


def table_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What rows that are ranked together have in common."""
    return (*(row[key] for key in TABLE_KEYS), row["task"], "channels_last" in str(row["flags"]).split())


def chosen(text: str, known: Sequence[str]) -> list[str]:
    """The columns that `a,b,...` names; raises UsageError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise unknown("column", name, known)
    if not names:
        raise UsageError("--columns takes names such as model,score,params")
    return [*dict.fromkeys(names)]


def render_columns(
    frame: pd.DataFrame, names: Sequence[str], format: str, *, sort: str | None = None, width: int | None = None
) -> str:
    """These columns of a frame in any of FORMATS; those for people have a title for each table."""
    if format not in FORMATS:
        raise unknown("table format", format, FORMATS)
    if sort is not None:
        frame = sorted_by(frame, sort)
    if format == "csv":
        return csv_text(frame[[*names]])
    if format == "json":
        return str(frame[[*names]].to_json(orient="records", indent=1, double_precision=15)) + "\n"
    kinds = kinds_of(names)
    left = frozenset(name for name in names if kinds[name] == "text" and name not in (SCORE, "rank"))
    sections = [(title_of(part), [[_cell(row, name) for name in names] for row in rows_of(part)])
                for part in parts(frame)]  # fmt: skip
    if format == "terminal":
        return terminal_tables(sections, names, left, width=width)
    if format == "latex":
        return "\n".join(latex_table(title, names, body, left) for title, body in sections)
    return "\n".join(f"### {escaped(title)}\n\n{markdown_table(names, body, left)}" for title, body in sections)


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if missing(value):
        return "-"
    if isinstance(value, str):
        return value
    if name in BOOLEANS:
        return "yes" if value else "no"
    return f"{value:.4g}" if name in ON_SCALE else short(value)


def records_of(by_suite: BySuite, frame: pd.DataFrame) -> dict[str, list[Any]]:
    """The records behind the rows of a frame, by suite."""
    names = {(row["suite"], name) for row in rows_of(frame) for name in str(row["records"]).split()}
    return {suite: mine for suite, records in by_suite.items()
            if (mine := [record for record in records if (suite, record.name) in names])}  # fmt: skip
