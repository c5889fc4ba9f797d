"""Synthetic records after the schema in `dlbench/results.py`, for tests of what reads them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from dlbench.results import Record

ACCURACY = {"name": "accuracy", "unit": "fraction", "higher_is_better": True}
PERPLEXITY = {"name": "perplexity", "unit": "perplexity", "higher_is_better": False}
MIB = 2**20


def body(kind: str, seed: int | None, **changes: Any) -> dict[str, Any]:
    """What cells and profiles have in common. `changes` replace top-level fields; `model`, `task`, `recipe`,
    `runtime` and `environment` are merged instead."""
    fields: dict[str, Any] = {
        "schema": 1, "type": kind, "created": "2026-01-01T00:00:00Z", "dlbench": "0.1.0", "protocol": 1,
        "command": "dlbench run", "suite": "quick", "variant": "", "seed": seed,
        "model": {
            "name": "mlp", "options": "", "family": "mlp", "digest": "m1", "plugin": "mlp", "plugin_version": "0.1.0",
        },
        "task": {
            "name": "digits", "options": "", "version": "1", "digest": "t1", "unit": "images", "folds": 1,
            "metric": ACCURACY, "floor": 0.1, "bound": None, "reference": None, "data": "embedded",
            "data_digest": "", "metrics": [{"name": "loss", "unit": "nats", "higher_is_better": False}],
        },
        "recipe": {"optimizer": "adam", "lr": 0.001, "batch_size": 128, "budget.epochs": 10},
        "layers": {"optimizer": "core default", "lr": "core default", "batch_size": "task", "budget.epochs": "task"},
        "runtime": {"device": "cpu", "precision": "fp32", "compile": False, "channels_last": False, "threads": 1},
        "status": "ok", "reason": "", "where": "", "flags": [], "limits": {},
        "environment": {"machine": "epyc-2c", "cpu": "EPYC", "gpu": None, "torch": "2.15.0", "python": "3.11"},
    }  # fmt: skip
    for key in ("model", "task", "recipe", "runtime", "environment"):
        fields[key] = {**fields[key], **changes.pop(key, {})}
    fields.update(changes)
    identity = [fields[key] for key in ("type", "model", "task", "recipe", "runtime", "seed")]
    code = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    what = "profile" if seed is None else f"s{seed}"
    fields.setdefault("name", f"{fields['task']['name']}--{fields['model']['name']}--{what}--{code}")
    return fields


def cell(value: float | None = 0.9, *, seed: int = 0, status: str = "ok", **changes: Any) -> Record:
    """A cell whose test metric is `value`."""
    name = changes.get("task", {}).get("metric", ACCURACY)["name"]
    result: dict[str, Any] = {}
    if status == "ok":
        result = {
            "metrics": {"val": {name: value}, "test": {name: value, "loss": 0.5}}, "fold_metrics": [],
            "params": 5000, "curves": [[]], "epochs": 10.0, "steps": 100, "examples": 12800, "selected_step": 100,
            "phases": {"setup_s": 0.1, "first_step_s": 0.01, "train_s": 2.0, "eval_s": 0.2},
        }  # fmt: skip
    return Record(body("cell", seed, status=status, **{**result, **changes}))


def cells(values: list[float], **changes: Any) -> list[Record]:
    """One cell per value, seeds from 0."""
    return [cell(value, seed=seed, **changes) for seed, value in enumerate(values)]


def launch(
    step_s: float = 0.001, *, cpu_s: float | None = None, peak_mib: float = 8.0, pace: float = 1.0
) -> dict[str, Any]:
    """One launch of a profile, as `dlbench.profile.launch.profile` returns it: 128 units a step, inference three times
    as fast as training; the calibration takes 5 ms times `pace`."""

    def figures(seconds: float, processor: float) -> dict[str, Any]:
        return {
            "s_per_step": [0.99 * seconds, seconds, 1.02 * seconds], "cpu_s_per_step": [processor] * 3,
            "steps_per_block": 100, "units_per_s": 128 / seconds, "iqr_over_median": 0.01,
        }  # fmt: skip

    processor = step_s if cpu_s is None else cpu_s
    readings = {clock: [0.0049 * pace, 0.0051 * pace] * 2 for clock in ("s", "cpu_s")}
    return {
        "calibration": {"program": "p1", "train": readings, "infer": readings},
        "params": 5000, "batch_size": 128, "units_per_step": 128, "flops_per_example": {"train": 3e4, "infer": 1e4},
        "train": figures(step_s, processor), "pipeline": figures(1.1 * step_s, processor),
        "infer": figures(step_s / 3, processor / 3), "latency_ms": {"p50": 0.2, "p90": 0.25, "p95": 0.3, "count": 900},
        "energy_j_per_example": None, "flags": [],
        "memory": {"train_peak_bytes": int(peak_mib * MIB), "infer_peak_bytes": int(peak_mib * MIB / 4)},
    }  # fmt: skip


def profile(launches: list[dict[str, Any]] | None = None, *, status: str = "ok", **changes: Any) -> Record:
    """A profile; three equal launches where none are given."""
    given = [launch() for _ in range(3)] if launches is None else launches
    measured = {"profile": {"protocol": {"launches": 3}, "launches": given}} if status == "ok" else {}
    return Record(body("profile", None, status=status, **{**measured, **changes}))
