"""How time and memory grow with one of a task's options: its length, most often. From profiles alone.

Growth is given per doubling: 2 is linear, 4 is quadratic. Between two sizes x1 < x2 with figures y1 and y2 it is
(y2 / y1) ** (1 / log2(x2 / x1)).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from ..contract.choice import Choice
from ..errors import UsageError, unknown
from ..results import Record
from .groups import Group, groups, is_number
from .markdown import escaped, markdown_table
from .rendering import PLAIN, csv_text, short, terminal_tables

MIB = 2**20
FIGURES = {
    "train_step_ms": ("train_step_s", 1e3),
    "infer_step_ms": ("infer_step_s", 1e3),
    "train_peak_mib": ("train_peak_bytes", 1 / MIB),
    "infer_peak_mib": ("infer_peak_bytes", 1 / MIB),
}
WHERE = ("suite", "task", "model", "variant", "device", "precision", "compile", "threads", "machine", "torch")
HEADER = ("model", "{}", "train step ms", "growth", "train peak MiB", "growth", "infer step ms", "growth", "status")
LEFT = frozenset({"model", "status"})


def scaling(by_suite: dict[str, list[Record]], option: str) -> pd.DataFrame:
    """One row per profile whose task sets this option to a number: the columns of WHERE, the option as `size`, the
    profile's `status`, and each of FIGURES with its growth since the next smaller size (empty where it isn't ok).
    Raises UsageError where there are no such profiles."""
    found: dict[tuple[Any, ...], list[tuple[float, Group]]] = {}
    options: set[str] = set()
    for group in groups(by_suite):
        task = Choice.parse(group.key.task)
        settings = dict(task.options)
        options |= settings.keys()
        size = settings.pop(option, None)
        if group.profile is None or not is_number(size):
            continue
        rest = str(Choice(task.name, tuple(settings.items())))
        key = group.key
        line = (
            key.suite, rest, key.model_text, key.variant, key.device, key.precision, key.compile, key.threads,
            key.machine, key.torch,
        )  # fmt: skip
        found.setdefault(line, []).append((float(size), group))
    if not found:
        if known := [name for name in sorted(options) if name != option]:
            raise unknown("option of a profiled task", option, known)
        raise UsageError(f"no profile here is of a task with the option {option!r}: profile -t 'TASK[{option}=...]'")
    rows = [row for line, members in sorted(found.items(), key=lambda item: item[0]) for row in _rows(line, members)]
    return pd.DataFrame(
        rows, columns=[*WHERE, "size", "status", *(c for name in FIGURES for c in (name, f"{name}_growth"))]
    )


def render(frame: pd.DataFrame, option: str, format: str = "terminal") -> str:
    """A frame of `scaling` as text that ends with a line end; raises UsageError on an unknown format."""
    if format not in PLAIN:
        raise unknown("table format", format, PLAIN)
    if format == "csv":
        return csv_text(frame.rename(columns={"size": option}))
    if format == "json":
        return (
            str(frame.rename(columns={"size": option}).to_json(orient="records", indent=1, double_precision=15)) + "\n"
        )
    header = tuple(name.format(option) for name in HEADER)
    sections = [(_title(part), _cells(part)) for part in _tables(frame)]
    if format == "md":
        return "\n".join(f"### {escaped(title)}\n\n{markdown_table(header, body, LEFT)}" for title, body in sections)
    return terminal_tables(sections, header, LEFT)


def plot(frame: pd.DataFrame, option: str, path: Path) -> None:
    """Draw step time and peak memory of training against the option, both axes logarithmic, a line for each model, as
    the kind of file that the name says (.svg, .png, .pdf). Needs matplotlib; raises UsageError without it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("a plot needs matplotlib: pip install 'dlbench[plots]'") from error

    tables = list(_tables(frame))
    figure = Figure(figsize=(11, 4.2 * len(tables)), layout="constrained")
    axes = figure.subplots(len(tables), 2, squeeze=False)
    for (left, right), part in zip(axes, tables, strict=True):
        sizes = sorted(part["size"].unique())
        for panel, column, label in ((left, "train_step_ms", "step, ms"), (right, "train_peak_mib", "peak, MiB")):
            for model, line in part.groupby("model", sort=False):
                known = line.dropna(subset=[column])
                panel.plot(known["size"], known[column], marker="o", label=model)
            title = f"{part.iloc[0]['task']}, training"
            panel.set(xscale="log", yscale="log", xlabel=option, ylabel=label, title=title)
            panel.set_xticks(sizes, [short(size) for size in sizes])
            panel.minorticks_off()
        left.legend(fontsize="small")
    try:
        figure.savefig(path)
    except (ValueError, OSError) as error:
        raise UsageError(f"can't write the plot {path}: {error}") from error


def _rows(line: tuple[Any, ...], members: list[tuple[float, Group]]) -> Iterable[dict[str, Any]]:
    previous: tuple[float, dict[str, float | None]] | None = None
    for size, group in sorted(members, key=lambda member: member[0]):
        figures = {
            name: None if (value := group.measured(figure)) is None else value * factor
            for name, (figure, factor) in FIGURES.items()
        }
        grown = {name: _growth(previous, size, name, value) for name, value in figures.items()}
        yield {
            **dict(zip(WHERE, line, strict=True)), "size": size, "status": group.profile.status, **figures,  # type: ignore[union-attr]
            **{f"{name}_growth": value for name, value in grown.items()},
        }  # fmt: skip
        previous = size, figures


def _growth(previous: tuple[float, dict[str, float | None]] | None, size: float, name: str, value: float | None) -> Any:
    if previous is None or not value or not (before := previous[1][name]) or not 0 < previous[0] < size:
        return None
    return (value / before) ** (1 / math.log2(size / previous[0]))


def _tables(frame: pd.DataFrame) -> Iterable[pd.DataFrame]:
    """The frame cut into what stands under one title."""
    for _, part in frame.groupby([name for name in WHERE if name != "model"], sort=False, dropna=False):
        yield part


def _title(part: pd.DataFrame) -> str:
    first = part.iloc[0]
    threads = f"{first['threads']} thread" + ("s" if first["threads"] != 1 else "")
    runtime = " ".join([first["device"], first["precision"], *(["compiled"] if first["compile"] else []), threads])
    names = (first["suite"], first["task"], first["variant"], runtime, first["machine"], f"torch {first['torch']}")
    return " · ".join(text for text in names if text)


def _cells(part: pd.DataFrame) -> list[list[str]]:
    rows, last = [], ""
    for _, row in part.iterrows():
        figures = [
            text
            for name in ("train_step_ms", "train_peak_mib", "infer_step_ms")
            for text in (short(row[name]), "" if pd.isna(row[f"{name}_growth"]) else f"{row[f'{name}_growth']:.2f}")
        ]
        status = "" if row["status"] == "ok" else row["status"]
        rows.append(["" if row["model"] == last else row["model"], short(row["size"]), *figures, status])
        last = row["model"]
    return rows
