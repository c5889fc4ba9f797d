"""`dlbench reproduce`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..catalog import Catalog, check_extra, discover
from ..data.root import default_cache, default_root
from ..errors import UsageError
from ..plan import Plan, Request, plan
from ..results import SCHEMA, Record, Results, read_record
from ..runtime import Runtime, resolve_runtime
from ..specs import Block, ProfileProtocol, Suite
from .run import fetch_missing

NOT_EQUAL = 3


@click.command()
@click.argument("what", metavar="FILE.csv:ROW|RECORD.json")
@click.option("--results", default="dlbench-runs/reproduced", show_default=True, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="The data root; default: $DLBENCH_DATA.")
@click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN|FILE.py", help="One more plugin.")
def command(what: str, results: Path, data: Path | None, plugins: tuple[str, ...]) -> None:
    """Run the cells and the profile behind a leaderboard's row (ROW 1 is the first), or one record, again, and put the
    new figures beside the old. Exit status 3 where a metric differs."""
    from ..execute.run import Limits, Runner
    from .progress import make_display

    old = named_records(what)
    catalog = discover(plugins)
    check_extra(catalog, plugins)
    root = (data or default_root()).resolve()
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
    differ = 0
    for record in old:
        for line, same in lines(record, new.get(jobs[record.name].name)):
            click.echo(line)
            differ += not same
    sys.exit(NOT_EQUAL if differ else 0)


def named_records(what: str) -> list[Record]:
    """The records that the argument names; raises UsageError."""
    file, colon, row = what.rpartition(":")
    try:
        if not (colon and row.isdigit()):
            return [read_record(Path(what))]
        from ..leaderboard import read_csv

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
    protocol = ProfileProtocol(**(record.get("profile") or {}).get("protocol", {}))
    suite = Suite(
        name=record["suite"],
        blocks=(Block(models=(names[0],), tasks=(names[1],), set=record["recipe"], variant=record["variant"]),),
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


def choice_text(described: dict[str, Any]) -> str:
    """`name[options]` of a record's model or task."""
    return f"{described['name']}[{described['options']}]" if described["options"] else str(described["name"])


def lines(old: Record, new: Record | None) -> list[tuple[str, bool]]:
    """One line per metric on the test split, and whether it is the same."""
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
        verdict = "equal" if again == value else f"differs by {again - value:+.6g}"
        found.append(
            (f"{old.name}: test {metric} was {value:.6g}, now {again:.6g}: {verdict} ({note})", again == value)
        )
    return found
