"""One panel, along two of its axes, as an SVG document."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..tables.rendering import short
from .panels import COLORS, Axis, Drawn, Panel, Series, cut, drawn, front_line, is_line, there

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 400, 70, 230, 34, 50
MOST_NAMED = 18
"""Series that a legend has room for."""
SHAPES = ("M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0", "M-3.5,-3.5h7v7h-7z", "M0,-5L5,4H-5z", "M0,-5.2L5.2,0L0,5.2L-5.2,0z")
DASHES = ("", "6 3", "2 3", "8 3 2 3")
"""What tells series of one color apart: of the first ten, of the second, ..."""
ZEROS = 0.07
"""The share of a logarithmic axis where zeros stand."""


def svg(panel: Panel, x: Axis, y: Axis, heading: str, below: str) -> str:
    """One plot as an SVG document, on white."""
    found = list(drawn(panel, x, y))
    points = [(a, b) for _, xs, ys in found for a, b in zip(xs, ys, strict=True) if there(a) and there(b)]
    ends = [v for s, _, _ in found for key in ("low", "high") for v in s.data.get(key, ()) if there(v)]
    height = max(HEIGHT, TOP + BOTTOM + 18 * len(y.names))
    left = LEFT + (80 if y.names else 0)
    down = bool(y.names) or y.reverse
    across = scale(x, [a for a, _ in points], left, WIDTH - RIGHT)
    upright = [b for _, b in points] + (ends if panel.kind == "cost" else [])
    up = scale(y, upright, *((TOP, height - BOTTOM) if down else (height - BOTTOM, TOP)))
    body = [*_axes(x, y, across, up, (left, height)), *_front(panel, found, x, across, up)]
    for series, xs, ys in found:
        body += _marks(panel, x, series, list(zip(xs, ys, strict=True)), (across, up))
        if panel.kind == "cost":
            body += _bars(series, xs, across, up)
    body += _legend([series for series, _, _ in found])
    head = f'<text x="10" y="18" font-size="14" font-weight="bold">{escaped(heading)}</text>'
    foot = f'<text x="10" y="{height - 4}" font-size="10" fill="#5a6470">{escaped(below)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="11">\n<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n'
        + "\n".join([head, *body, foot]) + "\n</svg>\n"
    )  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """Where values stand between two pixels; `ticks` are values with their texts."""

    low: float
    high: float
    start: float
    end: float
    log: bool
    strip: float
    ticks: list[tuple[float, str]]

    def at(self, value: float) -> float:
        if self.log:
            share = self.strip / 2 if value <= 0 else self.strip + (1 - self.strip) * self._share(math.log10(value))
        else:
            share = self._share(value)
        return round(self.start + (self.end - self.start) * share, 1)

    def _share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


def scale(axis: Axis, values: Sequence[float], start: float, end: float) -> Scale:
    """The scale of an axis with these values, finite all."""
    if axis.names:
        ticks = [(float(i), name) for i, name in enumerate(axis.names)]
        return Scale(-0.5, len(axis.names) - 0.5, start, end, False, 0.0, ticks)
    positive = [v for v in values if v > 0]
    if axis.log and positive:
        low, high = math.log10(min(positive)), math.log10(max(positive))
        pad = max(0.02, 0.05 * (high - low))
        zeros = ZEROS if len(positive) < len(values) else 0.0
        ticks = [(0.0, "0")] if zeros else []
        ticks += [(v, short(v)) for v in _decades(low - pad, high + pad)]
        return Scale(low - pad, high + pad, start, end, True, zeros, ticks)
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.06 * (high - low) or 0.05 * (abs(high) or 1.0)
    low, high = low - margin, high + margin
    step = _nice((high - low) / 5)
    step = max(1.0, step) if axis.key == "rank" else step
    first = 1 if axis.key == "rank" else math.ceil(low / step) * step
    count = max(0, math.floor((high - first) / step) + 1)
    return Scale(low, high, start, end, False, 0.0, [(v := first + i * step, f"{v:.5g}") for i in range(count)])


def _decades(low: float, high: float) -> list[float]:
    powers = range(math.floor(low), math.floor(high) + 1)
    factors = (1,) if math.floor(high) - math.ceil(low) > 1 else (1, 2, 5)
    every = max(1, len(powers) * len(factors) // 10)
    found = [factor * 10.0**power for power in powers for factor in factors]
    return [v for v in found if low <= math.log10(v) <= high][::every]


def _nice(rough: float) -> float:
    size = 10.0 ** math.floor(math.log10(rough))
    return next((factor * size for factor in (1, 2, 5) if factor * size >= rough), 10 * size)


def _axes(x: Axis, y: Axis, across: Scale, up: Scale, box: tuple[float, float]) -> list[str]:
    left, height = box
    lines = []
    for value, text in across.ticks:
        at = across.at(value)
        lines.append(f'<path d="M{at},{TOP}V{height - BOTTOM}" stroke="#d9dee4"/>')
        lines.append(f'<text x="{at}" y="{height - BOTTOM + 15}" text-anchor="middle">{escaped(text)}</text>')
    for value, text in up.ticks:
        at = up.at(value)
        lines.append(f'<path d="M{left},{at}H{WIDTH - RIGHT}" stroke="#d9dee4"/>')
        lines.append(f'<text x="{left - 6}" y="{at + 4}" text-anchor="end">{escaped(cut(text, 24))}</text>')
    middle = (left + WIDTH - RIGHT) / 2
    lines.append(f'<text x="{middle}" y="{height - BOTTOM + 31}" text-anchor="middle">{escaped(x.label)}</text>')
    return lines


def _marks(
    panel: Panel, x: Axis, series: Series, points: Sequence[tuple[Any, Any]], scales: tuple[Scale, Scale]
) -> list[str]:
    """A line through the points, broken where one is missing, and a mark at the last; or a mark at each, hollow where
    the speed isn't to be used."""
    across, up = scales
    placed = [(across.at(a), up.at(b)) if there(a) and there(b) else None for a, b in points]
    known = [place for place in placed if place is not None]
    if not is_line(panel):
        return [_mark(series.color, *place, hollow=x.key in series.doubted) for place in known]
    steps, pen = [], "M"
    for place in placed:
        if place is not None:
            steps.append(f"{pen}{place[0]},{place[1]}")
        pen = "M" if place is None else "L"
    look = f'stroke="{_color(series.color)}" stroke-dasharray="{_of(DASHES, series.color)}"'
    line = [f'<path class="line" d="{"".join(steps)}" fill="none" {look} stroke-width="1.6"/>'] if known else []
    return [*line, *(_mark(series.color, *place) for place in known[-1:])]


def _mark(color: int, x: float, y: float, hollow: bool = False) -> str:
    fill, edge = ("#fff", _color(color)) if hollow else (_color(color), "#fff")
    shape = _of(SHAPES, color)
    return f'<path class="mark" d="{shape}" transform="translate({x},{y})" fill="{fill}" stroke="{edge}"/>'


def _color(color: int) -> str:
    return COLORS[color % len(COLORS)]


def _of(looks: Sequence[str], color: int) -> str:
    return looks[color // len(COLORS) % len(looks)]


def _bars(series: Series, xs: Sequence[Any], across: Scale, up: Scale) -> list[str]:
    low, high = series.data["low"][0], series.data["high"][0]
    if not (there(xs[0]) and there(low) and there(high)):
        return []
    color = _color(series.color)
    return [f'<path d="M{across.at(xs[0])},{up.at(low)}V{up.at(high)}" stroke="{color}" opacity="0.6"/>']


def _front(panel: Panel, found: Sequence[Drawn], x: Axis, across: Scale, up: Scale) -> list[str]:
    corners = front_line(panel, found, x)
    path = "L".join(f"{across.at(a)},{up.at(b)}" for a, b in corners)
    return [f'<path class="front" d="M{path}" fill="none" stroke="#1b1f24" stroke-dasharray="4 3"/>'] if path else []


def _legend(series: Sequence[Series]) -> list[str]:
    lines = []
    for i, each in enumerate(series[:MOST_NAMED]):
        y = TOP + 8 + 18 * i
        lines.append(_mark(each.color, WIDTH - RIGHT + 16, y))
        lines.append(f'<text x="{WIDTH - RIGHT + 26}" y="{y + 4}">{escaped(cut(each.name, 34))}</text>')
    if len(series) > MOST_NAMED:
        y = TOP + 12 + 18 * MOST_NAMED
        lines.append(f'<text x="{WIDTH - RIGHT + 26}" y="{y}">and {len(series) - MOST_NAMED} more</text>')
    return lines


def escaped(text: str) -> str:
    """For XML, which knows no control characters and no halves of a pair."""
    return html.escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", text))
