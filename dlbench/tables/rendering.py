"""Leaderboard frames as text: a terminal table, CSV, Markdown, LaTeX, JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import unknown
from .groups import named
from .latex import latex_table
from .layout import board, columns, paragraph, terminal_width
from .markdown import escaped, markdown_table
from .marks import Marks
from .milestones import shown

if TYPE_CHECKING:
    import pandas as pd

PLAIN = ("terminal", "csv", "md", "json")
FORMATS = (*PLAIN, "latex")
WITH_NOTES = ("terminal", "md")
TABLE_KEYS = ("suite", "variant", "device", "precision", "compile", "threads", "machine", "torch")
HEADER = (
    "task", "metric", "model", "score", "rank", "train/s", "infer/s", "p50 ms", "peak MiB", "params", "train s", "notes"
)  # fmt: skip
LEFT = frozenset({"task", "metric", "model", "treatment", "notes"})
FIGURES = ("train_examples_per_s", "infer_examples_per_s", "latency_p50_ms", "train_peak_mib", "params", "train_s")
SPEEDS = FIGURES[:3]
SPARE = ("p50 ms", "train s", "infer/s", "params", "peak MiB", "train/s", "rank")
"""The columns that a narrow terminal goes without, the first first; those of milestones go before the last two."""
FORMULA = re.compile(r"'*(?:\s*[=+@＝＋＠－]|[\t\r\n]|\s*-(?!\d*\.?\d*$))")
"""What a spreadsheet might take for a formula. A text that begins with apostrophes of its own gets one more, so that
reading takes off what writing put there."""
SYMMETRIC = 0.05
"""The difference between the two sides of an interval, of its half, up to which one figure stands for both."""
TINY = 1e-4
"""Below it a score is written with an exponent."""
HIGHEST_FIRST = frozenset({"train_examples_per_s", "pipeline_examples_per_s", "infer_examples_per_s", "seeds"})


def render(
    frame: pd.DataFrame, format: str = "terminal", *, sort: str | None = None, notes: Iterable[str] = (),
    width: int | None = None,
) -> str:  # fmt: skip
    """A leaderboard frame as text that ends with a line end. `sort`: a column, best first where better is known.
    `notes` (see `leaderboard.notes`) stand below the terminal and Markdown tables. `width`: columns to fill, by default
    the terminal's (see `layout.terminal_width`). Raises UsageError on an unknown format or column."""
    if format not in FORMATS:
        raise unknown("table format", format, FORMATS)
    if sort is not None:
        frame = sorted_by(frame, sort)
    if format == "csv":
        return csv_text(frame)
    if format == "json":
        return str(frame.to_json(orient="records", indent=1, double_precision=15)) + "\n"
    if format == "latex":
        return "\n".join(_latex(part) for part in parts(frame))
    if format == "md":
        return _markdown([(head_of(part), *section(part)) for part in parts(frame)], list(notes))
    return _terminal(frame, list(notes), terminal_width() if width is None else width)


def csv_text(frame: pd.DataFrame, digits: int = 6) -> str:
    """A frame as CSV: six significant digits, `\\n` line ends; what a spreadsheet would take for a formula gets an
    apostrophe in front, since names and options are plugins' own."""
    texts = {name: frame[name].map(_disarmed) for name in frame.select_dtypes(["object", "string"]).columns}
    return str(frame.assign(**texts).to_csv(index=False, lineterminator="\n", float_format=f"%.{digits}g"))


def _disarmed(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def score_text(row: dict[str, Any]) -> str:
    """A mean with its half interval, `97.3 ± 0.4 %`, or with its ends where the sides differ, `98.1 [94.7, 99.3] %`, or
    with the sd over folds of a single seed."""
    if missing(row["mean"]):
        return "-"
    factor, suffix = (100.0, " %") if row["unit"] == "fraction" else (1.0, "")
    mean = row["mean"] * factor
    if row["unit"] != "fraction" and 0 < abs(mean) < TINY:
        return f"{mean:.2e}" + ("" if missing(row["ci_low"]) else f" [{row['ci_low']:.2e}, {row['ci_high']:.2e}]")
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
    width: int | None = None,
) -> str:  # fmt: skip
    """Titled tables as plain text, folded to the width (by default the terminal's)."""
    width = terminal_width() if width is None else width
    aligned = {index for index, name in enumerate(header) if name in left}
    lines: list[str] = []
    for title, body in sections:
        lines += [*paragraph(title, width), "", *columns(header, body, aligned, width, rule=True), ""]
    return "".join(line + "\n" for line in lines)


def _latex(part: pd.DataFrame) -> str:
    title, body = section(part)
    return latex_table(title, head_of(part), body, LEFT)


def _markdown(sections: Iterable[tuple[Sequence[str], str, list[list[str]]]], notes: list[str]) -> str:
    text = "\n".join(f"### {escaped(title)}\n\n{markdown_table(head, body, LEFT)}" for head, title, body in sections)
    return text + ("\n" + "".join(f"- {escaped(note)}\n" for note in notes) if notes else "")


def _terminal(frame: pd.DataFrame, notes: list[str], width: int) -> str:
    """Each part's title, the marks that all its rows share and its rows; then what the marks mean, which columns the
    width left no room for, and the notes."""
    marks, lines, without = Marks(), list[str](), dict[str, None]()
    for part in parts(frame):
        rows, common = _rows_and_common_flags(part)
        shared = [flag for flag in common if flag != "unusable"]  # which stands in the cells
        lines += paragraph(title_of(part), width)
        lines += paragraph(f"every row: {marks.of(shared)}", width) if shared else []
        extra, treated = shown(part), _treated(part)
        body = [(f"{row['task']} · {_metric(row)}", _marked_cells(row, marks, shared, extra, treated)) for row in rows]
        header, body = _without_empty(head_of(part)[2:], body)
        spare = (*SPARE[:-2], *reversed(extra.values()), *SPARE[-2:])
        drawn, left_out = board(header, body, width, left=LEFT, spare=spare)
        lines += ["", *drawn, ""]
        without |= dict.fromkeys(left_out)
    below = marks.legend(width)
    if without:
        names = ", ".join([*(name for name in HEADER if name in without), *(n for n in without if n not in HEADER)])
        below += paragraph(f"Left out where {width} columns are too few: {names}. --format csv has them.", width)
    lines += [*below, ""] if below and notes else below
    for note in notes:
        lines += paragraph(note, width)
    return "".join(line + "\n" for line in lines)


def _marked_cells(
    row: dict[str, Any], marks: Marks, shared: Iterable[str], extra: Iterable[str], treated: bool
) -> list[str]:
    """The cells from the model on, with marks for the row's own flags, and one in each speed that can't be used."""
    flags = str(row["flags"]).split()
    doubted = "unusable" in flags and any(not missing(row[column]) for column in SPEEDS)
    own = marks.of(flag for flag in flags if flag not in shared and not (doubted and flag == "unusable"))
    tilde = marks.of(["unusable"]) if doubted else ""
    figures = [
        tilde + short(row[column]) if column in SPEEDS and not missing(row[column]) else short(row[column])
        for column in (*FIGURES, *extra)
    ]
    status = "" if row["status"] == "ok" else row["status"]
    notes = " ".join(text for text in (status, _verified(row), own) if text)
    return [*_names(row, treated), score_text(row), row["rank"] or "-", *figures, notes]


def _without_empty(
    header: Sequence[str], body: list[tuple[str, list[str]]]
) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The table without the columns in which nothing was measured, as those of speed with --no-profile. The score
    stays, unless other figures stand for the row."""
    full = [i == 0 or any(cells[i] not in ("", "-") for _, cells in body) for i in range(len(header))]
    score = header.index("score")
    full[score] |= not any(full[score + 2 : score + 8])

    def kept(cells: Sequence[str]) -> list[str]:
        return [cell for cell, keep in zip(cells, full, strict=True) if keep]

    return kept(header), [(heading, kept(cells)) for heading, cells in body]


def sorted_by(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """The frame in the order of a column, the best first where better is known. Raises UsageError."""
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


def parts(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The frame cut into what stands under one title."""
    for _, part in frame.groupby(list(TABLE_KEYS), sort=False, dropna=False):
        yield part


def section(part: pd.DataFrame) -> tuple[str, list[list[str]]]:
    """Title and cells; flags that every row has stand in the title, once."""
    rows, common = _rows_and_common_flags(part)
    for row in rows:
        row["flags"] = " ".join(flag for flag in str(row["flags"]).split() if flag not in common)
    title = title_of(part) + (f" · all rows: {' '.join(common)}" if common else "")
    extra, treated = shown(part), _treated(part)
    return title, [_cells(row, extra, treated) for row in rows]


def head_of(part: pd.DataFrame) -> tuple[str, ...]:
    """HEADER, with the treatments after the models, where there are any, and the milestones that were reached before
    the notes."""
    treatment = ("treatment",) if _treated(part) else ()
    return (*HEADER[:3], *treatment, *HEADER[3:-1], *shown(part).values(), HEADER[-1])


def _treated(part: pd.DataFrame) -> bool:
    return "treatment" in part.columns and bool((part["treatment"] != "").any())


def _names(row: dict[str, Any], treated: bool) -> list[str]:
    """The cells that say which row it is."""
    return [named(row["model"], row["options"]), *([row["treatment"] or "-"] if treated else [])]


def _rows_and_common_flags(part: pd.DataFrame) -> tuple[list[dict[str, Any]], list[str]]:
    rows = [{str(name): value for name, value in row.items()} for row in part.to_dict("records")]
    flags = [str(row["flags"]).split() for row in rows]
    return rows, [flag for flag in flags[0] if len(rows) > 1 and all(flag in others for others in flags)]


def title_of(part: pd.DataFrame) -> str:
    first = part.iloc[0]
    threads = f"{first['threads']} thread" + ("s" if first["threads"] != 1 else "")
    runtime = " ".join([first["device"], first["precision"], *(["compiled"] if first["compile"] else []), threads])
    torch = f"torch {first['torch']}" if first["torch"] else ""
    return " · ".join(text for text in (first["suite"], first["variant"], runtime, first["machine"], torch) if text)


def _cells(row: dict[str, Any], extra: Iterable[str], treated: bool) -> list[str]:
    """The cells under `head_of`, with those of the milestones' columns `extra`."""
    status = "" if row["status"] == "ok" else row["status"]
    figures = [short(row[column]) for column in (*FIGURES, *extra)]
    return [
        row["task"], _metric(row), *_names(row, treated), score_text(row), row["rank"] or "-",
        *figures, " ".join(text for text in (status, _verified(row), row["flags"]) if text),
    ]  # fmt: skip


def _verified(row: dict[str, Any]) -> str:
    """`verified 2`: how many people reproduced the row."""
    count = row.get("verified")
    return "" if missing(count) or not count else f"verified {count}"


def _metric(row: dict[str, Any]) -> str:
    """An arrow marks the metrics where lower is better."""
    return str(row["metric"]) + ("" if row["higher_is_better"] else " ↓")


def _digits(number: float, significant: int = 4) -> int:
    """The decimals that show this many significant digits, at most six."""
    if number == 0:
        return 1
    return max(0, min(6, significant - 1 - math.floor(math.log10(abs(number)))))
