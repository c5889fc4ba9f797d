"""Standings as text: terminal tables with a small plot of each performance profile, Markdown, CSV, JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..errors import unknown
from .layout import paragraph, terminal_width
from .markdown import escaped, markdown_table
from .rendering import FORMATS, csv_text, missing, terminal_tables
from .standings import BENCHEVAL, COLUMNS, CURVE, Standing, bencheval

EXPORTS = (*FORMATS, "bencheval")
HEADER = ("coverage", "Elo", "mean rank", "win rate", "IQM", "improvability", "profile")
BARS = " ▁▂▃▄▅▆▇█"
LEGEND = (
    f"profile: the share of runs with a normalised score above {CURVE[0]:g}, {CURVE[1]:g}, ... {CURVE[-1]:g}; "
    "a full block is all of them."
)


def frame(found: Sequence[Standing], over: str = "model") -> pd.DataFrame:
    """The rows of all contests; the competitors' column is named after what is compared."""
    body = [[row.get(column) for column in COLUMNS] for standing in found for row in standing.rows]
    return pd.DataFrame(body, columns=[over if column == "name" else column for column in COLUMNS])


def render(
    found: Sequence[Standing], over: str = "model", format: str = "terminal", *, width: int | None = None
) -> str:
    """Standings as text that ends with a line end; notes stand in terminal and Markdown tables only. Raises UsageError
    on an unknown format."""
    if format not in EXPORTS:
        raise unknown("table format", format, EXPORTS)
    if format == "bencheval":
        return csv_text(pd.DataFrame(bencheval(found), columns=list(BENCHEVAL)), digits=17)  # a tie stays one
    if format == "csv":
        return csv_text(frame(found, over))
    if format == "json":
        return str(frame(found, over).to_json(orient="records", indent=1, double_precision=15)) + "\n"
    header, left = (over, *HEADER), frozenset({over, "profile"})
    if format == "md":
        parts = [_markdown(standing, header, left) for standing in found]
        return "\n".join([*parts, f"{LEGEND[0].upper()}{LEGEND[1:]}\n"] if parts else [])
    wide = terminal_width() if width is None else width
    text = ""
    for standing in found:
        body = [_cells(row) for row in standing.rows]
        text += terminal_tables([(standing.contest.title, body)], header, left, width=wide)
        text += "".join(line + "\n" for note in standing.notes for line in paragraph(note, wide)) + "\n"
    return text + "".join(line + "\n" for line in paragraph(LEGEND, wide)) if text else ""


def _markdown(standing: Standing, header: Sequence[str], left: frozenset[str]) -> str:
    table = markdown_table(header, [_cells(row) for row in standing.rows], left)
    notes = "".join(f"- {escaped(note)}\n" for note in standing.notes)
    return f"### {escaped(standing.contest.title)}\n\n{table}\n{notes}"


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        row["name"], f"{row['covered']}/{row['tasks']}", _ranged(row, "elo", 0), _ranged(row, "mean_rank", 2),
        _percent(row.get("win_rate")), _ranged(row, "iqm", 3), _percent(row.get("improvability")), _bars(row["curve"]),
    ]  # fmt: skip


def _ranged(row: dict[str, Any], name: str, digits: int) -> str:
    value, low, high = row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high")
    if value is None or missing(value):
        return "-"

    def shown(number: Any) -> str:
        return f"{round(number, digits) + 0.0:.{digits}f}"  # no minus before a zero

    return shown(value) + ("" if missing(low) else f" [{shown(low)}, {shown(high)}]")


def _percent(share: Any) -> str:
    return "-" if missing(share) else f"{100 * share:.1f} %"


def _bars(curve: Sequence[float]) -> str:
    """A column for each share: a ninth of the height more from each eighth on; any share at all is seen."""
    return "".join(BARS[0 if share == 0 else max(1, round(share * (len(BARS) - 1)))] for share in curve)
