"""Leaderboard frames as text: a terminal table, CSV, Markdown, JSON."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import unknown
from .groups import named

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("terminal", "csv", "md", "json")
DEFAULT_WIDTH = 120
TABLE_KEYS = ("suite", "variant", "device", "precision", "compile", "threads", "machine", "torch")
HEADER = (
    "task", "metric", "model", "score", "rank", "train/s", "infer/s", "p50 ms", "peak MiB", "params", "train s", "notes"
)  # fmt: skip
LEFT = frozenset({"task", "metric", "model", "notes"})
UNBROKEN = 20
FORMULA = re.compile(r"[=+@\t\r]|-(?!\d*\.?\d*$)")
SYMMETRIC = 0.05
"""The difference between the two sides of an interval, of its half, up to which one figure stands for both."""
HIGHEST_FIRST = frozenset({"train_examples_per_s", "pipeline_examples_per_s", "infer_examples_per_s", "seeds"})


def render(
    frame: pd.DataFrame, format: str = "terminal", *, sort: str | None = None, notes: Iterable[str] = (),
    width: int | None = None,
) -> str:  # fmt: skip
    """A leaderboard frame as text that ends with a line end. `sort`: a column, best first where better is known.
    `notes` (see `leaderboard.notes`) stand below the terminal and Markdown tables. `width`: columns of the terminal,
    120 where it isn't one. Raises UsageError on an unknown format or column."""
    if format not in FORMATS:
        raise unknown("table format", format, FORMATS)
    if sort is not None:
        frame = _sorted(frame, sort)
    if format == "csv":
        return csv_text(frame)
    if format == "json":
        return str(frame.to_json(orient="records", indent=1, double_precision=15)) + "\n"
    sections = [_section(part) for part in _parts(frame)]
    if format == "md":
        return _markdown(sections, list(notes))
    merged = [(title, _merge_task_and_metric(body)) for title, body in sections]
    return terminal_tables(merged, (HEADER[0], *HEADER[2:]), LEFT, notes=list(notes), width=width)


def csv_text(frame: pd.DataFrame) -> str:
    """A frame as CSV: six significant digits, `\\n` line ends; what a spreadsheet would take for a formula gets an
    apostrophe in front, since names and options are plugins' own."""
    texts = {name: frame[name].map(_disarmed) for name in frame.select_dtypes(["object", "string"]).columns}
    return str(frame.assign(**texts).to_csv(index=False, lineterminator="\n", float_format="%.6g"))


def _disarmed(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def score_text(row: dict[str, Any]) -> str:
    """A mean with its half interval, `97.3 ± 0.4 %`, or with its ends where the sides differ, `98.1 [94.7, 99.3] %`, or
    with the sd over folds of a single seed."""
    if missing(row["mean"]):
        return "-"
    factor, suffix = (100.0, " %") if row["unit"] == "fraction" else (1.0, "")
    mean = row["mean"] * factor
    digits = 1 if row["unit"] == "fraction" else _digits(mean)
    if missing(row["ci_low"]):
        folds = "" if missing(row["fold_sd"]) else f" (fold sd {row['fold_sd'] * factor:.{digits}f})"
        return f"{mean:.{digits}f}{suffix}{folds}"
    low, high = row["ci_low"] * factor, row["ci_high"] * factor
    half = (high - low) / 2
    if row["unit"] == "fraction" and half < 0.05:
        digits = 2  # 11.35 ± 0.00: a sharp interval deserves the figure it is about
    skew = abs((high - mean) - (mean - low))
    if skew > SYMMETRIC * half and round(skew, digits):
        return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]{suffix}"
    return f"{mean:.{digits}f} ± {half:.{digits}f}{suffix}"


def short(value: Any) -> str:
    """Three significant digits, with k, M, G or T from a thousand on; `-` where nothing was measured."""
    if missing(value):
        return "-"
    number = float(value)
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size * 0.9995:
            return f"{number / size:.{max(0, min(2, _digits(number / size, 3)))}f}{letter}"
    if number == int(number):
        return str(int(number))
    return f"{number:.{_digits(number, 3)}f}"


def missing(value: Any) -> bool:
    """Whether a frame's value is empty: None, NaN or pandas.NA."""
    return value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and math.isnan(value))


def terminal_tables(
    sections: Sequence[tuple[str, list[list[str]]]], header: Sequence[str], left: frozenset[str], *,
    notes: Sequence[str] = (), width: int | None = None,
) -> str:  # fmt: skip
    """Titled tables as plain text, wrapped to the width, with notes below."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    out = io.StringIO()
    console = Console(
        file=out, width=width or DEFAULT_WIDTH, color_system=None, markup=False, emoji=False, highlight=False
    )
    for title, body in sections:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for index, name in enumerate(header):
            longest = max((len(cells[index]) for cells in body), default=0)
            whole = name not in left or (name == "model" and longest <= UNBROKEN and console.width >= DEFAULT_WIDTH)
            table.add_column(name, justify="left" if name in left else "right", no_wrap=whole, overflow="fold")
        for cells in body:
            table.add_row(*cells)
        console.print(title)
        console.print(table)
    for note in notes:
        console.print(note, soft_wrap=True)
    return "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


def markdown_table(header: Sequence[str], body: Iterable[Sequence[str]], left: frozenset[str]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join("---" if h in left else "--:" for h in header) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in body]
    return "\n".join(lines) + "\n"


def _markdown(sections: Iterable[tuple[str, list[list[str]]]], notes: list[str]) -> str:
    text = "\n".join(f"### {title}\n\n{markdown_table(HEADER, body, LEFT)}" for title, body in sections)
    return text + ("\n" + "".join(f"- {note}\n" for note in notes) if notes else "")


def _merge_task_and_metric(body: Iterable[list[str]]) -> list[list[str]]:
    """One narrow column for both, filled where it changes, so that a table fits a terminal."""
    merged, last = [], ""
    for task, metric, *rest in body:
        text = f"{task} {metric}"
        merged.append(["" if text == last else text, *rest])
        last = text
    return merged


def _sorted(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    if column not in frame.columns:
        raise unknown("column", column, [str(c) for c in frame.columns])
    if column == "mean":
        sign = frame["higher_is_better"].map({True: -1.0, False: 1.0}).astype("float64")
        order = (frame["mean"] * sign).sort_values(kind="stable", na_position="last").index
        return frame.loc[order]
    if column == "rank":  # `2-3` stands before `10`
        return frame.sort_values(column, key=lambda ranks: ranks.map(_rank_order), kind="stable")
    return frame.sort_values(column, ascending=column not in HIGHEST_FIRST, kind="stable", na_position="last")


def _rank_order(rank: str) -> tuple[float, ...]:
    return tuple(map(float, rank.split("-"))) if rank else (math.inf,)


def _parts(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The frame cut into what stands under one title."""
    for _, part in frame.groupby(list(TABLE_KEYS), sort=False, dropna=False):
        yield part


def _section(part: pd.DataFrame) -> tuple[str, list[list[str]]]:
    """Title and cells; flags that every row has stand in the title, once."""
    rows = [dict(row) for _, row in part.iterrows()]
    flags = [str(row["flags"]).split() for row in rows]
    common = [flag for flag in flags[0] if len(rows) > 1 and all(flag in others for others in flags)]
    for row, own in zip(rows, flags, strict=True):
        row["flags"] = " ".join(flag for flag in own if flag not in common)
    return _title(part) + (f" · all rows: {' '.join(common)}" if common else ""), [_cells(row) for row in rows]


def _title(part: pd.DataFrame) -> str:
    first = part.iloc[0]
    threads = f"{first['threads']} thread" + ("s" if first["threads"] != 1 else "")
    runtime = " ".join([first["device"], first["precision"], *(["compiled"] if first["compile"] else []), threads])
    torch = f"torch {first['torch']}" if first["torch"] else ""
    return " · ".join(text for text in (first["suite"], first["variant"], runtime, first["machine"], torch) if text)


def _cells(row: dict[str, Any]) -> list[str]:
    """The cells under HEADER. An arrow marks the metrics where lower is better."""
    metric = row["metric"] + ("" if row["higher_is_better"] else " ↓")
    status = "" if row["status"] == "ok" else row["status"]
    figures = ("train_examples_per_s", "infer_examples_per_s", "latency_p50_ms", "train_peak_mib", "params", "train_s")
    return [
        row["task"], metric, named(row["model"], row["options"]), score_text(row), row["rank"] or "-",
        *(short(row[column]) for column in figures), " ".join(text for text in (status, row["flags"]) if text),
    ]  # fmt: skip


def _digits(number: float, significant: int = 4) -> int:
    """The decimals that show this many significant digits, at most six."""
    if number == 0:
        return 1
    return max(0, min(6, significant - 1 - math.floor(math.log10(abs(number)))))
