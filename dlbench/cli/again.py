"""What `dlbench reproduce` is to run again: rows of a leaderboard or one record, and the plan of each."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from ..contract.choice import Choice
from ..contract.runtime import Runtime, resolve_runtime
from ..contract.specs import Block, ProfileProtocol, Suite
from ..data.root import default_cache
from ..errors import UsageError
from ..integrity import NAME, cut, plain, read_sums
from ..plan.catalog import Catalog
from ..plan.outdated import choice_text
from ..plan.plan import Job, Plan, Request, plan
from ..results import SCHEMA, Record, read_record
from .run import fetch_missing

TOLERANCE = 1e-5
"""Relative: a CSV keeps six digits."""
ROWS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


@dataclass
class Row:
    """What is run again together. `folder`: the published one, where there is one. `refused`: why it isn't run."""

    title: str
    records: list[Record] = field(default_factory=list)
    interval: tuple[float, float] | None = None
    folder: Path | None = None
    refused: str = ""


def asked(what: str) -> list[Row]:
    """The rows that the argument names (`FILE.csv`, `FILE.csv:3`, `FILE.csv:1-5,8`), or the one record. A row whose
    records aren't what they were is refused; raises UsageError where nothing can be read."""
    file, colon, rows = what.rpartition(":")
    if not (colon and ROWS.fullmatch(rows)):
        file, rows = what, ""
    try:
        if not rows and not what.endswith(".csv"):
            return [_record_row(Path(what))]
        from ..tables.leaderboard import read_csv

        frame = read_csv(Path(file))
        if "records" not in frame.columns:
            raise ValueError("it has no column of records")
        return [_row(Path(file), number, dict(frame.iloc[number - 1])) for number in _numbers(file, rows, len(frame))]
    except (OSError, ValueError) as error:
        raise UsageError(f"can't read {what}: {error}") from error


def _numbers(file: str, rows: str, count: int) -> list[int]:
    """The numbers that `1-5,8` names, all of them where it is empty."""
    if not rows:
        return [*range(1, count + 1)]
    found: dict[int, None] = {}
    for part in rows.split(","):
        first, _, last = part.partition("-")
        ends = int(first[:9]), int((last or first)[:9])
        for number in ends:
            if not 1 <= number <= count:
                raise UsageError(f"{file} has rows 1 to {count}, not {number}")
        found |= dict.fromkeys(range(ends[0], ends[1] + 1))
    return [*found]


def _row(file: Path, number: int, line: dict[str, Any]) -> Row:
    """A row of a leaderboard, with its records as they were published."""
    from ..tables.groups import groups, named
    from ..tables.stats import mean_interval, metric_range

    model = named(line["model"], line["options"], line.get("treatment") or "")
    variant = f" ({line['variant']})" if line["variant"] else ""
    row = Row(f"row {number}: {line['task']} x {model}{variant}", folder=file.parent)
    sums, _ = read_sums(file.parent)
    try:
        row.records = [_named(file.parent, name, sums) for name in str(line["records"]).split()]
        if not row.records:
            raise ValueError("it names no records: the file may have been cut off")
    except FileNotFoundError as error:
        return Row(row.title, refused=f"{error.filename} is missing")
    except (OSError, ValueError) as error:
        return Row(row.title, refused=str(error))
    group = max(groups({"": row.records}), key=lambda group: len(group.cells))
    scores, metric = group.scores(), group.head["task"]["metric"]
    found = mean_interval(scores.values(), metric_range(metric["unit"], metric["higher_is_better"]))
    row.interval = None if found.low is None or found.high is None else (found.low, found.high)
    told = None if math.isnan(line["mean"]) else float(line["mean"])
    if (told is None) != (found.mean is None) or not math.isclose(told or 0.0, found.mean or 0.0, rel_tol=TOLERANCE):
        figures = ["none" if value is None else f"{value:.6g}" for value in (told, found.mean)]
        why = f"{file} says {figures[0]}, its records say {figures[1]}: `dlbench publish` makes the tables anew"
        return Row(row.title, refused=why)
    return row


def _named(folder: Path, name: str, sums: Any) -> Record:
    if not NAME.fullmatch(name):
        raise ValueError(f"{cut(ascii(name))} can't be the name of a record")
    return read_record(folder / "records" / f"{name}.json", sums)


def _record_row(path: Path) -> Row:
    """One record. Its interval is where one more seed of its row would lie in 95 of 100 cases."""
    published = path.resolve().parent.name == "records"
    record = read_record(path, read_sums(path.resolve().parent.parent)[0] if published else None)
    row = Row(record.name, [record])
    if published:
        from ..results import load_by_suite
        from ..tables.groups import groups
        from ..tables.stats import next_interval

        beside = load_by_suite(path.resolve().parent.parent)
        mine = groups({suite: records for suite, records in beside.items() if suite == record["suite"]})
        values = [group.scores() for group in mine if record.name in {cell.name for cell in group.cells}]
        row.interval = next_interval(values[0].values()) if values else None
    return row


def replan(catalog: Catalog, record: Record, root: Path, any_version: bool = False) -> Job:
    """The job that makes a record again under today's plugins; raises UsageError where it doesn't run here, and, unless
    `any_version`, where a plugin has another version than then."""
    if record["schema"] > SCHEMA:
        raise UsageError(f"{record.name} was written by a newer dlbench: update to reproduce it")
    names = [choice_text(record[key]) for key in ("model", "task")]
    for kind, text in zip(("models", "tasks"), names, strict=True):
        _check_known(catalog, kind, Choice.parse(text).name, record)
    made, request = _plan(catalog, record, names, root)
    if made.missing:
        fetch_missing(made, request)
        made, _ = _plan(catalog, record, names, root)
    if not made.jobs:
        why = made.skips[0].reason if made.skips else f"data is missing: {', '.join(made.missing)}"
        raise UsageError(f"{record.name} can't run here: {why}")
    (job,) = made.jobs
    if job.no_data is not None and record.status != "no_data":
        raise UsageError(f"{record.name} can't run here: {job.no_data}")
    if not any_version and (others := [*_other_plugins(record, job)]):
        raise UsageError(f"{record.name} was made with {', '.join(others)}: install what it was, or give --any-version")
    return job


def _plan(catalog: Catalog, record: Record, names: list[str], root: Path) -> tuple[Plan, Request]:
    """As the record says, but for what this version doesn't know of it."""
    protocol = _known(ProfileProtocol, (record.get("profile") or {}).get("protocol") or {})
    treatment = record.get("treatment")
    block = Block(
        models=(names[0],), tasks=(names[1],), set=record["recipe"], variant=record.get("variant") or "",
        treatments={treatment["name"]: {}} if treatment else {},
    )  # fmt: skip
    suite = Suite(
        name=record["suite"], blocks=(block,), seeds=1 if record.is_profile else (record["seed"],),
        profile=ProfileProtocol(**protocol),
    )  # fmt: skip
    runtime = resolve_runtime(**Runtime(**_known(Runtime, record["runtime"])).identity())
    request = Request(
        suites=(suite,), runtime=runtime, cells=not record.is_profile, profiles=record.is_profile, data_root=root,
        cache=default_cache(), unverified=record["task"].get("data") == "unverified",
    )  # fmt: skip
    try:
        return plan(catalog, request), request
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # whatever stands in a record
        raise UsageError(f"{record.name} can't be planned: {plain(str(error), 200)}") from error


def _known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    return {each.name: values[each.name] for each in fields(kind) if each.name in values}


def _other_plugins(record: Record, job: Job) -> Iterator[str]:
    """The plugins of a record that have other versions here, each as `plugin mlp 0.1.0, which is 0.2.0 here`."""
    then = {key: value for key, value in (record.get("versions") or {}).items() if key.startswith("plugin ")}
    model, now = record["model"], job.head["versions"]
    if model.get("plugin") and model.get("plugin_version"):
        then.setdefault(f"plugin {model['plugin']}", model["plugin_version"])
    for name, version in then.items():
        if now.get(name) != version:
            yield f"{name} {version}, which " + (f"is {now[name]} here" if name in now else "isn't here")


def _check_known(catalog: Catalog, kind: str, name: str, record: Record) -> None:
    """Raises UsageError for a model or a task that no plugin here has, naming the `-p` that the first run was given."""
    try:
        catalog.spec(kind, name)
    except UsageError as error:
        try:
            words = shlex.split(str(record.get("command") or ""))
        except ValueError:  # an open quote
            words = []
        given = [text for flag, text in pairwise(words) if flag in ("-p", "--plugin")]
        own = [record["model"]["plugin"]] if kind == "models" and record["model"].get("plugin") else []
        wanted = " ".join(f"-p {text}" for text in dict.fromkeys(given or own))
        if not wanted or f"there is no {kind.removesuffix('s')}" not in str(error):
            raise
        what = f"{kind.removesuffix('s')} {name!r}"
        raise UsageError(f"no plugin here has the {what}: give {wanted}, as the run was") from None


def cells_again(pairs: list[tuple[Record, Record | None]]) -> list[tuple[Record, Record]]:
    """The cells that ended ok then and now."""
    return [(a, b) for a, b in pairs if not a.is_profile and b is not None and a.status == b.status == "ok"]


def means(pairs: list[tuple[Record, Record]]) -> tuple[str, float, float]:
    """The ranked metric, and its mean over cells then and now."""
    name = str(pairs[0][0]["task"]["metric"]["name"])
    was, now = (fmean(pair[side]["metrics"]["test"][name] for pair in pairs) for side in (0, 1))
    return name, was, now
