"""Two result sets, row by row: did metric, speed or memory change? Three verdicts: better, worse, can't tell.

Rows match on suite, task, model, options, treatment, variant and runtime, or on the keys that are asked for. Metrics
are compared over shared seeds and corrected (Holm) over all metrics of the comparison, because one gate stands on all
of them; speeds likewise. Speeds are compared only on the same machine under the same torch, relative to the calibration
(see `speeds`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from ..errors import unknown
from ..results import Record
from .groups import Group, RowKey, groups, hardware_of, status_of
from .markdown import escaped, markdown_table
from .matching import by_all_but_place, by_keys, other_terms
from .rendering import PLAIN, csv_text, terminal_tables
from .speeds import Launches, compare_speeds, felt, verdict_speed
from .stats import Call, Comparison, Verdict, compare_scores, holm, metric_margin, verdict_memory, verdict_metric

HEADER = ("task", "model", "quantity", "old", "new", "change", "verdict", "why")
LEFT = frozenset({"task", "model", "quantity", "verdict", "why"})
MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Change:
    """One quantity of one row: the metric (by its name), `train speed`, `infer speed`, `memory`, `status` (the share of
    cells that are ok), or `row` where only one side has it. `old`, `new` are in `unit` (of speeds `ms` of wall time or
    `ms cpu`, per step). `effect` is new - old for a metric, else the ratio new / old, with its interval where there is
    one; a speed's ratio, above 1 where it is slower, is relative to the calibration."""

    suite: str
    task: str
    model: str
    variant: str
    runtime: str
    quantity: str
    unit: str = ""
    old: float | None = None
    new: float | None = None
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Call
    why: str


def compare(
    old_by_suite: dict[str, list[Record]], new_by_suite: dict[str, list[Record]], match: Sequence[str] | None = None
) -> list[Change]:
    """Every change and non-change from old to new, row by row. `match`: see `compare_groups`."""
    return compare_groups(groups(old_by_suite), groups(new_by_suite), match)


def compare_groups(old: list[Group], new: list[Group], match: Sequence[str] | None = None) -> list[Change]:
    """As `compare`, of the groups behind rows. `match`: the keys of rows (`RowKey`) in which two must be equal to be
    held against each other, whatever else differs, which is said. Raises UsageError where that is ambiguous."""
    pairs, singles = by_all_but_place(old, new) if match is None else by_keys(old, new, match)
    changes = [
        _change(group.key, "row", verdict="can't tell", why=f"only in the {side} results") for group, side in singles
    ]
    metrics, speeds = _metric_changes(pairs), _speed_changes(pairs)
    for index, (before, after) in enumerate(pairs):
        changes += _status_changes(before, after)
        if metrics[index] is not None:
            changes.append(metrics[index])
        changes += speeds[index]
        changes += _memory_changes(before, after)
    return changes


def has_worse(changes: Iterable[Change]) -> bool:
    """Whether a gate should fail."""
    return any(change.verdict == "worse" for change in changes)


def render_comparison(changes: Sequence[Change], format: str = "terminal", *, width: int | None = None) -> str:
    """The changes as text that ends with a line end; the terminal and Markdown tables put `worse` first. Raises
    UsageError on an unknown format."""
    if format not in PLAIN:
        raise unknown("table format", format, PLAIN)
    if format == "json":
        return json.dumps([asdict(change) for change in changes], indent=1) + "\n"
    if format == "csv":
        import pandas as pd

        frame = pd.DataFrame([asdict(change) for change in changes], columns=list(Change.__dataclass_fields__))
        return csv_text(frame)
    order = ("worse", "better", "can't tell")
    body = [_cells(change) for call in order for change in changes if change.verdict == call]
    summary = ", ".join(f"{sum(change.verdict == call for change in changes)} {call}" for call in order)
    if format == "md":
        return f"### {escaped(summary)}\n\n{markdown_table(HEADER, body, LEFT)}"
    return terminal_tables([(summary, body)], HEADER, LEFT, width=width)


def _change(key: RowKey, quantity: str, **fields: Any) -> Change:
    return Change(
        suite=key.suite, task=key.task, model=key.model_text, variant=key.variant, runtime=key.runtime_text,
        quantity=quantity, **fields,
    )  # fmt: skip


def _metric_changes(pairs: list[tuple[Group, Group]]) -> list[Any]:
    """One change per pair, None where neither side has a score; p-values corrected over all of them."""
    scores = [(before.scores(), after.scores()) for before, after in pairs]
    obstacles = [_other_task(before, after) for before, after in pairs]
    comparisons = [
        Comparison(effect=None, how=obstacle) if obstacle else compare_scores(*sides)
        for obstacle, sides in zip(obstacles, scores, strict=True)
    ]
    corrected = holm([comparison.p for comparison in comparisons])
    changes: list[Change | None] = []
    for (before, after), sides, comparison, p in zip(pairs, scores, comparisons, corrected, strict=True):
        if not any(sides):
            changes.append(None)
            continue
        old, new = (fmean(side.values()) if side else None for side in sides)
        metric = after.head["task"]["metric"]
        margin = metric_margin(metric["unit"], old if old is not None else 0.0)
        verdict = verdict_metric(comparison, higher_is_better=metric["higher_is_better"], margin=margin, p=p)
        why = "; ".join([verdict.why, *_terms(before, after), *_other_recipe(before, after)])
        changes.append(_change(
            after.key, metric["name"], unit=metric["unit"], old=old, new=new, effect=comparison.effect,
            low=comparison.low, high=comparison.high, verdict=verdict.call, why=why,
        ))  # fmt: skip
    return changes


def _status_changes(before: Group, after: Group) -> Iterator[Change]:
    """A row where another share of the cells, or the profile, ends ok."""
    shares = [len(g.ok) / len(g.cells) if g.cells else None for g in (before, after)]
    if None not in shares and shares[0] != shares[1]:
        call: Call = "worse" if shares[1] < shares[0] else "better"  # type: ignore[operator]
        reasons = [cell.get("reason") or "" for cell in after.cells if status_of(cell) != "ok"]
        why = f"{before.status()} -> {after.status()}" + (f": {reasons[0]}" if reasons and reasons[0] else "")
        yield _change(after.key, "status", unit="ok", old=shares[0], new=shares[1], verdict=call, why=why)
    if before.profile and after.profile and (before.profile.status == "ok") != (after.profile.status == "ok"):
        call = "better" if after.profile.status == "ok" else "worse"
        why = f"profile {before.profile.status} -> {after.profile.status}"
        reason = after.profile.get("reason")
        yield _change(after.key, "status", verdict=call, why=f"{why}: {reason}" if reason else why)


def _memory_changes(before: Group, after: Group) -> Iterator[Change]:
    name = "train_peak_bytes" if before.launches("train_peak_bytes") else "infer_peak_bytes"
    old, new = (median(values) if values else None for values in (before.launches(name), after.launches(name)))
    if old is not None or new is not None:
        other = _other_batch(before, after)
        verdict = Verdict(call="can't tell", why="not comparable") if other else verdict_memory(old, new)
        ratio = new / old if old and new is not None else None
        why = "; ".join([verdict.why, *_terms(before, after), *other])
        yield _change(
            after.key, "memory", unit="MiB", old=None if old is None else old / MIB,
            new=None if new is None else new / MIB, effect=ratio, verdict=verdict.call, why=why,
        )  # fmt: skip


def _speed_changes(pairs: list[tuple[Group, Group]]) -> list[list[Change]]:
    """The changes of train and infer speed of each pair; p-values corrected over all of them."""
    asked = []
    for index, (before, after) in enumerate(pairs):
        for name in ("train", "infer"):
            clock = _clock(before, after, name)
            old, new = _launches(before, name, clock), _launches(after, name, clock)
            if old.seconds or new.seconds:
                asked.append((index, f"{name} speed", "ms cpu" if clock == "cpu_s" else "ms", (old, new)))
    obstacles = [_speed_obstacles(*pairs[index]) for index, *_ in asked]
    compared = iter(compare_speeds([entry[-1] for entry, why in zip(asked, obstacles, strict=True) if not why]))
    changes: list[list[Change]] = [[] for _ in pairs]
    for (index, quantity, unit, (old, new)), why in zip(asked, obstacles, strict=True):
        comparison = Comparison(effect=_ratio(old, new), how="; ".join(why)) if why else next(compared)
        verdict = verdict_speed(comparison)
        terms = [text for text in _terms(*pairs[index]) if text not in why]
        changes[index].append(_change(
            pairs[index][1].key, quantity, unit=unit, old=_mean_ms(old),
            new=_mean_ms(new), effect=comparison.effect, low=comparison.low, high=comparison.high,
            verdict=verdict.call, why="; ".join([verdict.why, *terms]),
        ))  # fmt: skip
    return changes


def _clock(before: Group, after: Group, name: str) -> str:
    """Processor seconds where one CPU thread does all the work and both sides have them, because other processes
    disturb wall time; else wall. (Those of several threads add up and don't say how long a step takes.)"""
    one_thread = all(hardware_of(group.key.device) == "cpu" and group.key.threads == 1 for group in (before, after))
    return "cpu_s" if one_thread and all(_seconds(group, name, "cpu_s") for group in (before, after)) else "s"


def _seconds(group: Group, name: str, clock: str) -> list[float]:
    return [value for value in group.launches(f"{name}_step_{clock}") if value > 0]


def _launches(group: Group, name: str, clock: str) -> Launches:
    found = []
    for launch in group.raw_launches:
        blocks, readings = (launch.get(name) or {}).get(f"{clock}_per_step"), launch.get("calibration") or {}
        if blocks and (around := (readings.get(name) or {}).get(clock)) and min(*blocks, *around) > 0:
            found.append(felt(blocks, around))
    return Launches(seconds=_seconds(group, name, clock), calibration=found)


def _mean_ms(side: Launches) -> float | None:
    return 1e3 * math.exp(fmean(map(math.log, side.seconds))) if side.seconds else None


def _ratio(old: Launches, new: Launches) -> float | None:
    sides = _mean_ms(old), _mean_ms(new)
    return sides[1] / sides[0] if sides[0] and sides[1] else None


def _speed_obstacles(before: Group, after: Group) -> list[str]:
    """Sentences on why two profiles' speeds can't be compared."""
    obstacles = [
        *_elsewhere(before, after), *_other_pace(before, after), *_other_batch(before, after),
        *_unusable(before, after),
    ]  # fmt: skip
    programs = {str(launch["calibration"]["program"]) for group in (before, after) for launch in group.raw_launches
                if launch.get("calibration")}  # fmt: skip
    return obstacles + (["calibrated by different programs: measure both sides anew"] if len(programs) > 1 else [])


def _unusable(before: Group, after: Group) -> list[str]:
    """A sentence where a profile's own flag says that its speed is not to be used."""
    sides = {"old": before.profile, "new": after.profile}
    doubted = [side for side, profile in sides.items() if profile and "unusable" in (profile.get("flags") or ())]
    return [f"the {' and the '.join(doubted)} profile is flagged unusable"] if doubted else []


def _other_pace(before: Group, after: Group) -> list[str]:
    """Sentences about what the calibration feels as well, so that it can't tell the machine's pace from the program's:
    another device, other threads, and the matrix units of tf32 and of products that are set apart."""
    names = ["threads"]
    if hardware_of(before.key.device) != hardware_of(after.key.device):
        names.append("device")
    if {"tf32", "high", "medium"} & {*before.key.precision.split(), *after.key.precision.split()}:
        names.append("precision")
    return [text for text in other_terms(before, after) if text.split()[1] in names]


def _terms(before: Group, after: Group) -> list[str]:
    """Sentences about all that differs in two rows' keys."""
    return [*other_terms(before, after), *_elsewhere(before, after)]


def _elsewhere(before: Group, after: Group) -> list[str]:
    """Sentences about another machine or torch."""
    names = ("machine", "torch")
    pairs = zip(names, before.key.place, after.key.place, strict=True)
    return [f"another {name} ({old or 'unknown'} -> {new or 'unknown'})" for name, old, new in pairs if old != new]


def _other_task(before: Group, after: Group) -> str:
    """Why the metrics of two rows don't mean the same; empty where they do."""
    old, new = before.head["task"], after.head["task"]
    for what, key in (("metric", "metric"), ("task version", "version"), ("data", "data_digest")):
        if old.get(key) != new.get(key):
            shown = f": {old['version']} -> {new['version']}" if key == "version" else ""
            return f"the {what} changed{shown}"
    return ""


def _other_recipe(before: Group, after: Group) -> list[str]:
    old, new = before.head.get("recipe") or {}, after.head.get("recipe") or {}
    keys = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    return [f"the recipe changed: {', '.join(keys)}"] if keys else []


def _other_batch(before: Group, after: Group) -> list[str]:
    sizes = [((g.profile.get("recipe") if g.profile else None) or {}).get("batch_size") for g in (before, after)]
    return [f"another batch size ({sizes[0]} -> {sizes[1]})"] if None not in sizes and sizes[0] != sizes[1] else []


def _cells(change: Change) -> list[str]:
    """The cells under HEADER; fractions in % and their differences in percentage points."""
    factor = 100.0 if change.unit == "fraction" else 1.0
    suffix = " %" if change.unit == "fraction" else f" {change.unit}" if change.unit else ""

    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value * factor:.4g}{suffix}"

    model = change.model + (f" ({change.variant})" if change.variant else "")
    return [
        change.task, model, change.quantity, shown(change.old), shown(change.new), _effect_text(change, factor),
        change.verdict, change.why,
    ]  # fmt: skip


def _effect_text(change: Change, factor: float) -> str:
    if change.effect is None:
        return "-"
    if change.quantity in ("train speed", "infer speed", "memory"):
        interval = "" if change.low is None else f" [{change.low:.3f}, {change.high:.3f}]"
        return f"x{change.effect:.3f}{interval}"
    interval = "" if change.low is None or change.high is None else (
        f" [{change.low * factor:+.3g}, {change.high * factor:+.3g}]"
    )  # fmt: skip
    return f"{change.effect * factor:+.3g}{' pt' if change.unit == 'fraction' else ''}{interval}"
