"""Records: one JSON file per cell or profile, written atomically, found again by name.

A results folder holds `records/NAME.json`, `logs/NAME.log` and, for each suite that ran, `suites/SUITE.json`: which
record stands for which square of the grid. The last is how an edited model never shows old numbers: its new records
take the squares over.

The body of a record (all times in seconds, all sizes in bytes):

    schema, name, type ("cell" | "profile"), created (UTC), dlbench, protocol, command, suite, variant
    seed (None in a profile)
    model   {name, options (text), family, digest, plugin, plugin_version}
    task    {name, options (text), version, digest, unit, folds, metric {name, unit, higher_is_better}, floor, bound,
             reference {value, source} | None, data ("embedded" | "verified" | "unverified" | "missing"), data_digest,
             metrics [{name, unit, higher_is_better}]}
    recipe  {flat settings}     layers {key: layer}     runtime {device, precision, compile, channels_last, threads}
    status, reason (one sentence), where (FILE:LINE in FUNCTION), flags [..], limits {timeout_s, memory_bytes}
    environment {machine (slug), cpu, gpu, torch, python, ...}

of a cell, where it got so far:
    metrics {split: {metric: value}}     fold_metrics [{split: {metric: value}}]     params
    curves  [[{step, epoch, examples, seconds, flops, loss, val {metric: value}}]] (one curve per fold)
    phases  {setup_s, first_step_s, train_s, eval_s}     epochs, steps, examples, selected_step
    samples [a text that the task keeps] (only where it keeps some)

of a profile:
    profile {protocol {..}, launches [{..}, one dict per fresh process as `dlbench.measure.profile` returns it]}
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SCHEMA = 1
STATUSES = ("ok", "diverged", "oom", "timeout", "crashed", "failed", "no_data")


@dataclass(frozen=True)
class Record:
    """The immutable result of one cell or one profile. Fields that this version doesn't know are kept."""

    body: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.body["name"])

    @property
    def status(self) -> str:
        return str(self.body["status"])

    @property
    def is_profile(self) -> bool:
        return bool(self.body["type"] == "profile")

    def __getitem__(self, key: str) -> Any:
        return self.body[key]

    def get(self, key: str, default: Any = None) -> Any:
        return self.body.get(key, default)


def is_done(record: Record | None, limits: dict[str, Any]) -> bool:
    """Whether a cell needs no new run under today's limits (`timeout_s`, `memory_bytes`; None: no limit)."""
    if record is None or record.status == "no_data":
        return False
    if record.status in ("timeout", "oom"):
        key = "timeout_s" if record.status == "timeout" else "memory_bytes"
        then, now = (record.get("limits") or {}).get(key), limits.get(key)
        return then is None or (now is not None and now <= then)
    return True


class Results:
    """A results folder."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def load(self, name: str) -> Record | None:
        """The record of this name; None if there is none or its file can't be read."""
        try:
            return read_record(self.root / "records" / f"{name}.json")
        except (OSError, ValueError):
            return None

    def save(self, record: Record) -> Path:
        """Write a record: temporary name, fsync, rename."""
        path = self.root / "records" / f"{record.name}.json"
        write_json(path, record.body)
        return path

    def log_path(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def suites(self) -> list[str]:
        """The suites that ran here."""
        return sorted(path.stem for path in (self.root / "suites").glob("*.json"))

    def squares(self, suite: str) -> dict[str, str]:
        """The grid of a suite: square -> name of the record that stands for it now."""
        try:
            squares: dict[str, str] = json.loads((self.root / "suites" / f"{suite}.json").read_text())["squares"]
        except (OSError, ValueError, KeyError):
            return {}
        return squares

    def assign(self, suite: str, squares: dict[str, str]) -> None:
        """Let these records stand for these squares; the suite's other squares keep theirs."""
        write_json(
            self.root / "suites" / f"{suite}.json",
            {"schema": SCHEMA, "suite": suite, "squares": {**self.squares(suite), **squares}},
        )

    def records(self, suite: str) -> list[Record]:
        """The records that stand for a suite's squares, those that exist."""
        records = []
        for square, name in self.squares(suite).items():
            if (record := self.load(name)) is not None:  # it may have been made for another suite or variant
                records.append(Record({**record.body, "suite": suite, "variant": json.loads(square)["variant"]}))
        return records


def load_by_suite(path: Path) -> dict[str, list[Record]]:
    """The records under a path, by suite: a results folder, a published folder (with or without its suites above), or
    one record's file. Raises FileNotFoundError where there are none."""
    if path.is_file():
        record = read_record(path)
        return {record["suite"]: [record]}
    results = Results(path)
    if suites := results.suites():
        return {suite: results.records(suite) for suite in suites}
    by_suite: dict[str, list[Record]] = {}
    for file in sorted(path.rglob("records/*.json")):
        record = read_record(file)
        by_suite.setdefault(record["suite"], []).append(record)
    if not by_suite:
        raise FileNotFoundError(f"there are no records under {path}")
    return by_suite


def read_record(path: Path) -> Record:
    """Read one record's file; raises ValueError where it isn't one."""
    body = json.loads(path.read_text())
    if not isinstance(body, dict) or "schema" not in body or Path(str(body.get("name", "/"))).name != body["name"]:
        raise ValueError(f"{path} is not a record")
    return Record(body)


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the whole new one, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "w") as file:
        json.dump(value, file, indent=1, allow_nan=True)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def now() -> str:
    """The time in UTC, as records carry it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def slug(text: str) -> str:
    """Letters, digits, dots and dashes only, for file names."""
    return re.sub(r"[^A-Za-z0-9.=]+", "-", text).strip("-")
