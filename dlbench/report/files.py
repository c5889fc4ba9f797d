"""The page's plots as files: SVG of our own, and PNG where matplotlib is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..results import slug, write_text
from .panels import Axis, Member, Panel, choices, cut
from .png import draw_png, has_matplotlib
from .svg import svg

LONGEST_NAME = 60
WITHOUT_MATPLOTLIB = "PNG files need matplotlib: pip install 'dlbench[plots]'"


def write_plots(tables: Iterable[tuple[str, Sequence[Member], Sequence[Panel]]], folder: Path) -> list[str]:
    """Draw every panel of every table along each of its axes to `NUMBER-TASK--KIND--X.svg` (and .png); returns
    sentences for people."""
    png = has_matplotlib()
    count = 0
    for number, (title, members, panels) in enumerate(tables, start=1):
        task = str(members[0].row["task"])
        for panel in panels:
            for x, y in choices(panel):
                which = "-".join([x.key, *([y.key] if len(panel.ys) > 1 else [])])
                stem = folder / f"{number:02d}-{slug(task)[:LONGEST_NAME]}--{panel.kind}--{which}"
                heading = _heading(panel, x, y, task)
                write_text(stem.with_name(f"{stem.name}.svg"), svg(panel, x, y, heading, title))
                if png:
                    draw_png(panel, x, y, heading, title, stem.with_name(f"{stem.name}.png"))
                count += 1
    said = [f"{count} plots: {folder} (SVG{' and PNG' if png else ''})"]
    return said if png else [*said, WITHOUT_MATPLOTLIB]


def _heading(panel: Panel, x: Axis, y: Axis, task: str) -> str:
    what = f"{y.label} against {x.label}" if panel.kind == "cost" else panel.title
    return f"{cut(task, LONGEST_NAME)}: {what}{f' ({y.label})' if len(panel.ys) > 1 else ''}"
