"""One panel, along two of its axes, as a PNG file, where matplotlib is there."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from .panels import COLORS, Axis, Drawn, Panel, cut, drawn, front_line, is_line, there
from .svg import MOST_NAMED, escaped

MARKERS = ("o", "s", "^", "D")


def has_matplotlib() -> bool:
    """Whether PNG files can be drawn."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def draw_png(panel: Panel, x: Axis, y: Axis, heading: str, below: str, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, max(4.8, 1.5 + 0.25 * len(y.names))), layout="constrained")
    axes = figure.subplots()
    found = list(drawn(panel, x, y))
    for series, xs, ys in found:
        points = [(a, b) if there(a) and there(b) else (math.nan, math.nan) for a, b in zip(xs, ys, strict=True)]
        color, label = COLORS[series.color % len(COLORS)], _plain(cut(series.name, 34))
        lines = is_line(panel)
        marker = "" if lines else MARKERS[series.color // len(COLORS) % len(MARKERS)]
        axes.plot(*zip(*points, strict=True), marker=marker, linestyle="-" if lines else "", color=color, label=label)
        low, high = series.data.get("low", [None])[0], series.data.get("high", [None])[0]
        if panel.kind == "cost" and there(points[0][0]) and there(low) and there(high):
            axes.plot([xs[0]] * 2, [low, high], color=color, alpha=0.6)
    if corners := front_line(panel, found, x):
        axes.plot(*zip(*corners, strict=True), color="#1b1f24", linestyle="--", linewidth=1)
    axes.set(xscale="symlog" if _zeros(found) and x.log else "log" if x.log else "linear", xlabel=_plain(x.label),
             ylabel=_plain(y.label), yscale="log" if y.log else "linear", title=_plain(heading))  # fmt: skip
    if y.names:
        axes.set_yticks(range(len(y.names)), [_plain(cut(name, 24)) for name in y.names])
    if y.names or y.reverse:
        axes.invert_yaxis()
    if len(found) <= MOST_NAMED:
        figure.legend(loc="outside right upper", fontsize="small")
    figure.text(0.01, 0.005, _plain(below), fontsize=6)
    figure.savefig(path, dpi=120)


def _zeros(found: Iterable[Drawn]) -> bool:
    return any(v == 0 for _, xs, _ in found for v in xs)


def _plain(text: str) -> str:
    """For matplotlib, which reads what stands between dollars as a formula."""
    return escaped(text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("$", r"\$")
