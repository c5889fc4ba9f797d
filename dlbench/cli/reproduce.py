"""`dlbench reproduce`."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import click

from ..contract.choice import Choice
from ..contract.runtime import Runtime, resolve_runtime
from ..contract.specs import Block, ProfileProtocol, Suite
from ..data.root import absolute_root, default_cache
from ..errors import UsageError
from ..plan.catalog import Catalog, check_extra, discover
from ..plan.outdated import choice_text
from ..plan.plan import Plan, Request, plan
from ..results import SCHEMA, Record, Results, read_record
from .run import fetch_missing

OUTSIDE = 3
TOLERANCE = 1e-5
"""Relative: a CSV keeps six digits."""
Pairs = Iterable[tuple[Record, Record | None]]
PLACE = ("cpu", "gpu", "torch", "numpy", "python", "cuda", "cudnn", "os")


@click.command()
@click.argument("what", metavar="FILE.csv:ROW|RECORD.json")
@click.option("--results", default="dlbench-runs/reproduced", show_default=True, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="The data root; default: $DLBENCH_DATA.")
@click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN|FILE.py", help="One more plugin.")
def command(what: str, results: Path, data: Path | None, plugins: tuple[str, ...]) -> None:
    """Run the cells and the profile behind a leaderboard's row (ROW 1 is the first), or one record, again, and put the
    new figures beside the old: what differs of the machine and of versions, and whether the ranked metric lies inside
    the stored interval. Exit status 3 where it lies outside, or where a run ends in another way."""
    from ..execute.run import Limits, Runner
    from .progress import make_display

    old = named_records(what)
    catalog = discover(plugins)
    check_extra(catalog, plugins)
    root = absolute_root(data)
    made = Plan()
    jobs = {}
    for record in old:
        (job,) = replan(catalog, record, root).jobs
        jobs[record.name] = job
        (made.profiles if record.is_profile else made.cells).append(job)
    runner = Runner(
        catalog=catalog, results=Results(results), display=make_display(), limits=Limits(), data_root=root,
        cache=default_cache(), command=f"dlbench reproduce {what}", fresh=True,
    )  # fmt: skip
    new = {record.name: record for record in runner.run(made)}
    pairs = [(record, new.get(jobs[record.name].name)) for record in old]
    found = [line for pair in pairs for line in lines(*pair)]
    found += [(differences(pairs), True), *verdict(pairs, stored_interval(what, old))]
    for line, _ in found:
        click.echo(line)
    sys.exit(0 if all(holds for _, holds in found) else OUTSIDE)


def named_records(what: str) -> list[Record]:
    """The records that the argument names; raises UsageError."""
    file, colon, row = what.rpartition(":")
    try:
        if not (colon and row.isdigit()):
            return [read_record(Path(what))]
        from ..tables.leaderboard import read_csv

        frame = read_csv(Path(file))
        if not 1 <= int(row) <= len(frame):
            raise UsageError(f"{file} has rows 1 to {len(frame)}, not {row}")
        names = str(frame.iloc[int(row) - 1]["records"]).split()
        return [read_record(Path(file).parent / "records" / f"{name}.json") for name in names]
    except (OSError, ValueError) as error:
        raise UsageError(f"can't read {what}: {error}") from error


def replan(catalog: Catalog, record: Record, root: Path) -> Plan:
    """The plan of one record's job under today's plugins; raises UsageError where it doesn't run here."""
    if record["schema"] > SCHEMA:
        raise UsageError(f"{record.name} was written by a newer dlbench: update to reproduce it")
    names = [choice_text(record[key]) for key in ("model", "task")]
    for kind, text in zip(("models", "tasks"), names, strict=True):
        _check_known(catalog, kind, Choice.parse(text).name, record)
    protocol = ProfileProtocol(**(record.get("profile") or {}).get("protocol", {}))
    suite = Suite(
        name=record["suite"],
        blocks=(
            Block(
                models=(names[0],),
                tasks=(names[1],),
                set=record["recipe"],
                variant=record["variant"],
                treatments={treatment["name"]: {}} if (treatment := record.get("treatment")) else {},
            ),
        ),
        seeds=(record["seed"],) if record["seed"] is not None else 1,
        profile=protocol,
    )
    runtime = resolve_runtime(**Runtime(**record["runtime"]).identity())
    request = Request(
        suites=(suite,), runtime=runtime, cells=not record.is_profile, profiles=record.is_profile, data_root=root,
        cache=default_cache(), unverified=record["task"]["data"] == "unverified",
    )  # fmt: skip
    made = plan(catalog, request)
    if made.missing:
        fetch_missing(made, request)
        made = plan(catalog, request)
    if not made.jobs:
        why = made.skips[0].reason if made.skips else f"data is missing: {', '.join(made.missing)}"
        raise UsageError(f"{record.name} can't run here: {why}")
    return made


def _check_known(catalog: Catalog, kind: str, name: str, record: Record) -> None:
    """Raises UsageError for a model or a task that no plugin here has, naming the `-p` that the first run was given."""
    try:
        catalog.spec(kind, name)
    except UsageError as error:
        words = shlex.split(str(record.get("command") or ""))
        given = [text for flag, text in pairwise(words) if flag in ("-p", "--plugin")]
        own = [record["model"]["plugin"]] if kind == "models" and record["model"].get("plugin") else []
        wanted = " ".join(f"-p {text}" for text in dict.fromkeys(given or own))
        if not wanted or f"there is no {kind.removesuffix('s')}" not in str(error):
            raise
        what = f"{kind.removesuffix('s')} {name!r}"
        raise UsageError(f"no plugin here has the {what}: give {wanted}, as the run was") from None


def stored_interval(what: str, old: list[Record]) -> tuple[float, float] | None:
    """Where the ranked metric should lie by what was stored: the interval of a row's mean; for one record, where one
    more seed of its row would lie in 95 of 100 cases. None under three seeds."""
    from ..results import load_by_suite
    from ..tables.groups import groups
    from ..tables.leaderboard import read_csv
    from ..tables.stats import next_interval

    if not Path(what).is_file():
        file, _, row = what.rpartition(":")
        line = read_csv(Path(file)).iloc[int(row) - 1]
        low, high = float(line["ci_low"]), float(line["ci_high"])
        return None if math.isnan(low) else (low, high)
    (record,) = old
    folder = Path(what).resolve().parent
    if folder.name != "records":
        return None
    rows = groups({suite: cells for suite, cells in load_by_suite(folder.parent).items() if suite == record["suite"]})
    values = [row.scores() for row in rows if record.name in {cell.name for cell in row.cells}]
    return next_interval(values[0].values()) if values else None


def verdict(pairs: Pairs, interval: tuple[float, float] | None) -> Iterator[tuple[str, bool]]:
    """Whether the ranked metric's mean over the cells lies where it should; nothing where no cell ended ok twice."""
    again = [(a, b) for a, b in pairs if not a.is_profile and b is not None and a.status == b.status == "ok"]
    if not again:
        return
    name = again[0][0]["task"]["metric"]["name"]
    was, now = (fmean(pair[side]["metrics"]["test"][name] for pair in again) for side in (0, 1))
    if interval is None:
        near = math.isclose(was, now, rel_tol=TOLERANCE)
        yield f"{name}: {now:.6g} is {'' if near else 'not '}within 1e-5 of {was:.6g}; no interval is stored", near
        return
    low, high = interval
    slack = TOLERANCE * max(abs(low), abs(high))
    inside = low - slack <= now <= high + slack or math.isclose(was, now, rel_tol=TOLERANCE)
    where = "inside" if inside else "outside"
    yield f"{name}: {now:.6g} (was {was:.6g}) lies {where} the stored interval, {low:.6g} to {high:.6g}", inside


def differences(pairs: Pairs) -> str:
    """What was recorded of machine and versions then, and is another now."""
    changed: dict[str, None] = {}
    for old, new in pairs:
        if new is None:
            continue
        was, now = (
            {**(r.get("versions") or {}), "dlbench": r.get("dlbench"),
             **{key: (r.get("environment") or {}).get(key) for key in PLACE}}
            for r in (old, new)
        )  # fmt: skip
        for key in [key for key in was if key in now and was[key] != now[key]]:
            changed[f"{key} was {was[key]}, is {now[key]}"] = None
    return f"what differs here: {'; '.join(changed) or 'nothing that was recorded of machine and versions'}"


def lines(old: Record, new: Record | None) -> list[tuple[str, bool]]:
    """One line per metric on the test split, and whether the run ended as it did then."""
    if new is None or new.status != old.status:
        now = "skipped" if new is None else f"{new.status} ({new['reason']})"
        return [(f"{old.name}: was {old.status}, now {now}", False)]
    note = "same sources, data and recipe" if new.name == old.name else "sources, data or recipe have changed since"
    if old.status != "ok":
        return [(f"{old.name}: {old.status} again ({new['reason']}; {note})", True)]
    if old.is_profile:
        return [(f"{old.name}: measured again ({note}); compare speed with `dlbench compare`", True)]
    found = []
    for metric, value in old["metrics"]["test"].items():
        again = new["metrics"]["test"][metric]
        same = "equal" if again == value else f"differs by {again - value:+.6g}"
        found.append((f"{old.name}: test {metric} was {value:.6g}, now {again:.6g}: {same} ({note})", True))
    return found
