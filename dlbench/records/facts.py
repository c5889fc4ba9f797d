"""What tables need of a record's long parts, in short: when training reached what its task names, and a profile's
figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any, TypeGuard

from ..integrity import LARGEST_NUMBER

LONG = frozenset({"curves", "profile", "samples", "square", "checksums", "members"})
"""Parts of a record that take most of its room, and that no leaderboard reads but through `facts_of`."""
FIGURES = {
    "params": ("params",),
    "flops_per_example": ("flops_per_example", "train"),
    "train_step_s": ("train", "s_per_step"),
    "train_step_cpu_s": ("train", "cpu_s_per_step"),
    "train_examples_per_s": ("train", "units_per_s"),
    "pipeline_examples_per_s": ("pipeline", "units_per_s"),
    "infer_step_s": ("infer", "s_per_step"),
    "infer_step_cpu_s": ("infer", "cpu_s_per_step"),
    "infer_examples_per_s": ("infer", "units_per_s"),
    "latency_p50_ms": ("latency_ms", "p50"),
    "latency_p95_ms": ("latency_ms", "p95"),
    "train_peak_bytes": ("memory", "train_peak_bytes"),
    "train_peak_bytes_in_all": ("memory", "train_peak_bytes_in_all"),
    "infer_peak_bytes": ("memory", "infer_peak_bytes"),
    "energy_j_per_example": ("energy_j_per_example",),
}
"""Where a figure stands in a launch, as `dlbench.profile.launch.profile` returns it. Of a list of blocks the median
counts; absent or null means not measured."""
CLOCKS = ("seconds", "step")
TOGETHER = "together"
"""The flag of cells that differ by seed alone and trained as one."""


def facts_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """`reached`: [target, seconds, steps] for each target of the task; `launches`: the figures that each launch of a
    profile measured; `flags` of the launches. What is empty isn't there."""
    launches = [*launches_of(body)]
    found = {
        "reached": [[target, *(reached(body, target, clock) for clock in CLOCKS)] for target in targets_of(body)],
        "launches": [{name: value for name in FIGURES if (value := figure(launch, name)) is not None}
                     for launch in launches],
        "flags": sorted({str(flag) for launch in launches for flag in launch.get("flags") or []}),
    }  # fmt: skip
    return {key: value for key, value in found.items() if value}


def launches_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A profile's launches as they were recorded."""
    return list((body.get("profile") or {}).get("launches") or [])


def figure(launch: Mapping[str, Any], name: str) -> float | None:
    """One of FIGURES of a launch; None where it wasn't measured."""
    value: Any = launch
    for key in FIGURES[name]:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, list):
        blocks = [float(block) for block in value if is_number(block)]
        return median(blocks) if blocks else None
    return float(value) if is_number(value) else None


def targets_of(body: Mapping[str, Any]) -> list[float]:
    """What a cell's training is asked to reach: the task's reference and milestones."""
    if body["type"] != "cell" or not body.get("curves"):
        return []
    task = body["task"]
    reference = None if task["options"] else (task.get("reference") or {}).get("value")
    return [float(value) for value in (reference, *(task.get("milestones") or [])) if is_number(value)]


def reached(body: Mapping[str, Any], target: float, clock: str) -> float | None:
    """Seconds on the training clock, or the `step`, until the task's metric on validation first reached the target,
    over all folds; None where a fold never did, and seconds where the clock wasn't the cell's own."""
    if clock == "seconds" and not has_own_clock(body):
        return None
    metric = body["task"]["metric"]
    sign = 1 if metric["higher_is_better"] else -1
    found = [_first(curve, metric["name"], sign, target, clock) for curve in body.get("curves") or []]
    return sum(found) if found and not any(map(math.isinf, found)) else None


def has_own_clock(body: Mapping[str, Any]) -> bool:
    """Whether a cell's times are its own, and not its share of those of seeds that trained together."""
    return TOGETHER not in (body.get("flags") or ())


def _first(curve: Iterable[Mapping[str, Any]], metric: str, sign: int, target: float, clock: str) -> float:
    for point in curve:
        value = (point.get("val") or {}).get(metric)
        if is_number(value) and sign * float(value) >= sign * target:
            return float(point[clock]) if is_number(point.get(clock)) else math.inf
    return math.inf


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a record's value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER
