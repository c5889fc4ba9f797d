"""What is drawn of a table, as data: the page and the files are drawn from the same panels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from ..tables.groups import Group
from ..tables.leaderboard import TREATMENT
from ..tables.milestones import time_to
from ..tables.rendering import HIGHEST_FIRST, missing
from ..tables.selection import is_doubted, listed, name_of
from .curves import CLOCKS, Curve, curve_of, levels, ranks_after, thinned

COSTS = {
    "infer_examples_per_s": "inference, {unit}/s",
    "latency_p50_ms": "latency of one example, median, ms",
    "train_peak_mib": "peak memory of training, MiB",
    "params": "parameters",
    "train_examples_per_s": "training, {unit}/s",
    "train_s": "training time, s",
}
"""What the metric is drawn against, and the axis's label."""
TIMES = {"step": "steps", "seconds": "seconds of training", "flops": "FLOPs of training"}
WIDE = 5
"""An axis whose largest positive value is so many times the smallest is logarithmic."""
DIGITS = 5
COLORS = ("#0072b2", "#c2410c", "#00795a", "#a3217f", "#8a6d00", "#5b3fc4", "#b3122e", "#0f7f8c", "#4f6b12", "#5f6b78")
"""Of files, on white; the page has the same ten in style.css, and others for a dark ground."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One way to place points. `names`: of categories 0, 1, ...; `y`: of an x axis, the key of what is drawn against it
    where that depends on it."""

    key: str
    label: str
    log: bool = False
    reverse: bool = False
    names: tuple[str, ...] = ()
    y: str = ""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points, or a line, by the keys of axes; None where there is no point. `color` counts through the table's rows.
    `rows`: the leaderboard's row of each point, or of all. `front` and `doubted`: the x axes on which the point is on
    the front, or is a speed that isn't to be used."""

    name: str
    color: int
    rows: list[int]
    data: dict[str, list[Any]]
    front: list[str] = field(default_factory=list)
    doubted: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot with a choice of axes. `kind`: cost or target, whose points stand alone, curve or rank."""

    kind: str
    title: str
    about: str
    xs: list[Axis]
    ys: list[Axis]
    series: list[Series]


Drawn = tuple[Series, list[Any], list[Any]]
"""A series with its places on two axes."""


class Member(NamedTuple):
    """A row of a table: its place in the leaderboard, its columns, its records."""

    place: int
    row: Mapping[str, Any]
    group: Group


def panels_of(members: Sequence[Member], fronts: Mapping[str, set[int]], points: int) -> list[Panel]:
    """The panels of one table, those that have something to show. `fronts`: of each of COSTS the places of the rows on
    its front; `points`: at most so many of each curve."""
    curves = [curve_of(member.group) for member in members]
    made = [
        _costs(members, fronts),
        _curves(members, curves, points),
        _targets(members, curves),
        _ranks(members, curves),
    ]
    return [panel for panel in made if panel.xs and len(panel.series) >= (2 if panel.kind == "cost" else 1)]


def labels_of(members: Sequence[Member]) -> list[str]:
    """The rows' names within their table: treatments alone where only these differ."""
    treatments = [str(m.row.get(TREATMENT) or "") for m in members]
    models = {(m.row["model"], m.row["options"]) for m in members}
    return treatments if len(models) == 1 and all(treatments) else [name_of(m.row) for m in members]


def short_number(value: float) -> float | int:
    """Five significant digits, without a fraction where there is none."""
    if not math.isfinite(value):
        return value
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e15 else rounded


def _costs(members: Sequence[Member], fronts: Mapping[str, set[int]]) -> Panel:
    scored = [(color, m) for color, m in enumerate(members) if not missing(m.row["mean"])]
    xs = []
    for key, label in COSTS.items():
        values = [float(m.row[key]) for _, m in scored if not missing(m.row[key])]
        if values:
            unit = members[0].group.head["task"].get("unit") or "examples"
            xs.append(Axis(key=key, label=label.format(unit=unit), log=_wide(values)))
    factor, series = _factor(members), []
    labels = labels_of(members)
    for color, m in scored:
        quality = {"mean": m.row["mean"], "low": m.row["ci_low"], "high": m.row["ci_high"]}
        data: dict[str, list[Any]] = {
            key: [None if missing(v) else short_number(float(v) * factor)] for key, v in quality.items()
        }
        data |= {x.key: [None if missing(v := m.row[x.key]) else short_number(float(v))] for x in xs}
        series.append(Series(
            name=labels[color], color=color, rows=[m.place], data=data,
            front=[x.key for x in xs if m.place in fronts[x.key]],
            doubted=[x.key for x in xs if is_doubted(m.row, x.key)],
        ))  # fmt: skip
    means = [float(v) for s in series for v in s.data["mean"]]
    y = Axis(key="mean", label=_metric(members), log=_wide(means, lower=True) and not _higher(members))
    about = "Bars: 95 % interval over seeds. Line: no other row is better in both. Hollow: too noisy a time to use."
    return Panel(kind="cost", title="Score against cost", about=about, xs=xs, ys=[y], series=series)


def _curves(members: Sequence[Member], curves: Sequence[Curve | None], points: int) -> Panel:
    factor, labels, series = _factor(members), labels_of(members), list[Series]()
    for color, (m, curve) in enumerate(zip(members, curves, strict=True)):
        if curve is not None:
            data = {
                key: [short_number(v * (factor if key in ("val", "low", "high") else 1)) for v in values]
                for key, values in thinned(curve.points, points).items() if key != "best"
            }  # fmt: skip
            series.append(Series(name=labels[color], color=color, rows=[m.place], data=data))
    xs = [_clock(key, series) for key in CLOCKS if any(key in s.data for s in series)]
    ys = [
        Axis(key=key, label=label, log=not (up and key == "val") and _wide(_all(series, key), lower=True))
        for key, label, up in (
            ("val", f"{_metric(members)}, validation", _higher(members)), ("loss", "loss in training", False)
        ) if any(key in s.data for s in series)
    ]  # fmt: skip
    about = "Mean over seeds (and folds), as far as all of them went. Band: lowest and highest seed."
    return Panel(kind="curve", title="Learning curves", about=about, xs=xs, ys=ys, series=series)


def _targets(members: Sequence[Member], curves: Sequence[Curve | None]) -> Panel:
    values, named = levels([m.group for m in members], curves)
    series, never = [], dict[str, None]()
    for color, value in enumerate(values):
        at, data = [], dict[str, list[Any]](step=[], seconds=[], row=[])
        for place, m in enumerate(members):
            times = [time_to(m.group, value, clock) for clock in ("step", "seconds")]
            if curves[place] is not None and None in times:
                never[name_of(m.row)] = None
            if None not in times:
                at.append(m.place)
                for key, number in zip(data, (*times, place), strict=True):
                    data[key].append(short_number(float(number or 0)))
        if at:
            series.append(Series(name=f"{value * _factor(members):.4g}", color=color, rows=at, data=data))
    xs = [_clock(key, series) for key in ("seconds", "step")] if series else []
    y = Axis(key="row", label="", names=tuple(labels_of(members)))
    which = "the task's own" if named else "shares of the way from the floor to the best row's score on validation"
    about = f"Until validation first reached {_metric(members)}: all folds, mean over seeds. The values: {which}."
    about += f" Some seed never reached all of them: {listed(never)}." if never else ""
    return Panel(kind="target", title="Time to target", about=about, xs=xs, ys=[y], series=series)


def _ranks(members: Sequence[Member], curves: Sequence[Curve | None]) -> Panel:
    higher, found, xs = _higher(members), dict[str, tuple[list[float], list[list[int | None]]]](), []
    for clock in CLOCKS:
        budgets, ranks = ranks_after(curves, clock, higher)
        if budgets:
            found[clock] = budgets, ranks
            xs.append(Axis(key=clock, label=TIMES[clock], log=True, y=f"rank_{clock}"))
    labels, series = labels_of(members), []
    for color, m in enumerate(members):
        data: dict[str, list[Any]] = {}
        for clock, (budgets, ranks) in found.items():
            if any(rank is not None for rank in ranks[color]):
                data |= {clock: [short_number(b) for b in budgets], f"rank_{clock}": ranks[color]}
        if data:
            series.append(Series(name=labels[color], color=color, rows=[m.place], data=data))
    y = Axis(key="rank", label="rank on validation", reverse=True)
    about = (
        "Which row would be best if training ended there, by what would be judged then. "
        "A row whose training ended earlier keeps its score. Differences may be chance: ranks in the table are tested."
    )
    return Panel(kind="rank", title="Rank against budget", about=about, xs=xs, ys=[y], series=series)


def _clock(key: str, series: Iterable[Series]) -> Axis:
    return Axis(key=key, label=TIMES[key], log=_wide(_all(series, key)))


def _all(series: Iterable[Series], key: str) -> list[float]:
    return [float(v) for s in series for v in s.data.get(key, ())]


def _wide(values: Iterable[float], *, lower: bool = False) -> bool:
    """Whether an axis of these is logarithmic. `lower`: it can't be where any value is 0 or less."""
    finite = [v for v in values if math.isfinite(v)]
    positive = [v for v in finite if v > 0]
    usable = len(positive) == len(finite) if lower else min(finite, default=-1) >= 0
    return bool(positive) and usable and max(positive) > WIDE * min(positive)


def _higher(members: Sequence[Member]) -> bool:
    return bool(members[0].row["higher_is_better"])


def _factor(members: Sequence[Member]) -> float:
    return 100.0 if members[0].row["unit"] == "fraction" else 1.0


def _metric(members: Sequence[Member]) -> str:
    row = members[0].row
    return f"{row['metric']}{', %' if row['unit'] == 'fraction' else ''}{'' if _higher(members) else ' ↓'}"


def choices(panel: Panel) -> Iterator[tuple[Axis, Axis]]:
    """Each x axis of a panel with each of its y axes."""
    for y in panel.ys:
        for x in panel.xs:
            yield x, y


def drawn(panel: Panel, x: Axis, y: Axis) -> Iterator[Drawn]:
    """Of each series that has both axes its places on them."""
    for series in panel.series:
        columns = series.data.get(x.key), series.data.get(x.y or y.key)
        if columns[0] is not None and columns[1] is not None:
            yield series, columns[0], columns[1]


def is_line(panel: Panel) -> bool:
    """Whether a series is a line through its points."""
    return panel.kind in ("curve", "rank")


def front_line(panel: Panel, found: Sequence[Drawn], x: Axis) -> list[tuple[Any, Any]]:
    """The corners of the front: at each cost the best score that costs no more."""
    on = sorted((xs[0], ys[0]) for series, xs, ys in found if panel.kind == "cost" and x.key in series.front)
    corners = list(on[:1])
    for before, point in pairwise(on):
        corners += [(before[0], point[1]) if x.key in HIGHEST_FIRST else (point[0], before[1]), point]
    return corners


def there(value: Any) -> bool:
    """Whether a value is a finite number."""
    return value is not None and math.isfinite(value)


def cut(text: str, longest: int) -> str:
    """A text in so many characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
