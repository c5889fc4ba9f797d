"""`dlbench reproduce`."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from ..data.root import absolute_root, default_cache
from ..errors import UsageError
from ..integrity import SUMS, check_person, plain
from ..plan.catalog import Catalog, check_extra, discover
from ..plan.plan import Job, Plan
from ..results import Record, Results
from .again import TOLERANCE, Row, asked, cells_again, means, replan
from .progress import counted

OUTSIDE = 3
Pairs = list[tuple[Record, Record | None]]
PLACE = ("cpu", "gpu", "torch", "numpy", "python", "cuda", "cudnn", "os")


@click.command()
@click.argument("what", metavar="FILE.csv[:ROWS]|RECORD.json")
@click.option("--results", default="dlbench-runs/reproduced", show_default=True, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="The data root; default: $DLBENCH_DATA.")
@click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN|FILE.py", help="One more plugin.")
@click.option("--no-profile", is_flag=True, help="Leave speed and memory out: no verdict is about them.")
@click.option("--any-version", is_flag=True, help="Also under other versions of plugins than then.")
@click.option("--verify-by", metavar="NAME", help="Say in the published folder who reproduced the rows that hold.")
def command(what: str, plugins: tuple[str, ...], **given: Any) -> None:
    """Run the cells and the profile behind rows of a leaderboard again (ROWS: 3 or 1-5,8; the first is 1; all where
    none are named), or one record, and put the new figures beside the old: what differs of the machine and of versions,
    and whether the ranked metric lies inside the stored interval.

    Of several rows each has one line, and the last line counts them. A row isn't run where its records were changed
    since they were published, where a plugin has another version, or where data is missing. Exit status 3 where a row
    lies outside, where a run ends in another way, or where one of several rows isn't run; 2 where nothing is.
    """
    rows = asked(what)
    if given["verify_by"] is not None:
        check_verifiable(rows, given["verify_by"])
    catalog = discover(plugins)
    check_extra(catalog, plugins)
    plans = planned(rows, catalog, given)
    if all(row.refused for row in rows):
        for row in rows[:-1]:
            click.echo(f"{row.title}: refused: {row.refused}")
        raise UsageError(f"{rows[-1].title}: refused: {rows[-1].refused}")
    ends = [*run(rows, plans, catalog, what, given)]
    sys.exit(0 if all(ends) else OUTSIDE)


def check_verifiable(rows: Iterable[Row], name: str) -> None:
    """Raise UsageError unless there is a published folder to write to, and the name can be one."""
    try:
        check_person(name)
    except ValueError as error:
        raise UsageError(f"--verify-by: {error}") from error
    if not all(row.folder is not None and (row.folder / SUMS).is_file() for row in rows if not row.refused):
        raise UsageError(
            f"--verify-by takes rows of a published leaderboard.csv, with {SUMS} beside: `dlbench publish`"
        )


def planned(rows: list[Row], catalog: Catalog, given: dict[str, Any]) -> list[dict[str, Job]]:
    """Of each row the jobs, by the names of the records that they make again. What can't run is refused."""
    root = absolute_root(given["data"])
    plans = []
    for row in rows:
        jobs: dict[str, Job] = {}
        if given["no_profile"]:
            row.records = [record for record in row.records if not record.is_profile]
        try:
            for record in row.records:
                jobs[record.name] = replan(catalog, record, root, given["any_version"])
            changed = [name for name, job in jobs.items() if job.name != name]
            if given["verify_by"] is not None and changed:
                raise UsageError(f"{changed[0]} can't be verified: sources, data or recipe have changed since")
            if not row.refused and not jobs:
                raise UsageError("there is nothing to run but its profile")
        except UsageError as error:
            row.refused, jobs = str(error), {}
        plans.append(jobs)
    return plans


def run(
    rows: list[Row], plans: list[dict[str, Job]], catalog: Catalog, what: str, given: dict[str, Any]
) -> Iterator[bool]:
    """Run the rows and say what came out; whether each holds. What two rows share runs once."""
    from ..execute.run import Limits, Runner
    from .progress import make_display

    runner = Runner(
        catalog=catalog, results=Results(given["results"]), display=make_display(), limits=Limits(),
        data_root=absolute_root(given["data"]), cache=default_cache(), command=f"dlbench reproduce {what}", fresh=True,
    )  # fmt: skip
    new: dict[str, Record] = {}
    all_pairs: Pairs = []
    counts = {"reproduced": 0, "not reproduced": 0, "refused": 0}
    several = len(rows) > 1
    with runner.serving([job for jobs in plans for job in jobs.values()]):
        for row, jobs in zip(rows, plans, strict=True):
            made = Plan()
            for job in jobs.values():
                if job.name not in new:
                    (made.cells if job.protocol is None else made.profiles).append(job)
            new |= {record.name: record for record in (runner.run(made) if made.jobs else [])}
            pairs: Pairs = [(old, new.get(jobs[old.name].name)) for old in row.records if old.name in jobs]
            all_pairs += pairs
            if row.refused:
                click.echo(f"{row.title}: refused: {row.refused}")
            holds = not row.refused and show(row, pairs, several)
            counts["refused" if row.refused else "reproduced" if holds else "not reproduced"] += 1
            if holds and given["verify_by"] is not None:
                verify(row, pairs, given["verify_by"], what)
            yield holds
    if several:
        click.echo(differences(all_pairs))
        click.echo(f"{counts['reproduced']} of {counted(len(rows), 'row')} reproduced" + "".join(
            f", {count} {what}" for what, count in counts.items() if count and what != "reproduced"
        ))  # fmt: skip


def show(row: Row, pairs: Pairs, several: bool) -> bool:
    """Say what came of a row: each figure, or one line where it holds and is one of several."""
    found = [line for pair in pairs for line in lines(*pair)]
    judged = [*verdict(pairs, row.interval)]
    holds = all(held for _, held in (*found, *judged))
    if several:
        again = cells_again(pairs)
        equal = sum(a["metrics"]["test"] == b["metrics"]["test"] for a, b in again)
        detail = judged[0][0] if judged else "no cell ended ok, as then" if holds else "no cell ended ok"
        of_cells = f"; {equal} of {counted(len(again), 'cell')} equal" if again else ""
        click.echo(f"{row.title}: {'reproduced' if holds else 'NOT REPRODUCED'}: {detail}{of_cells}")
        for text in [] if holds else [text for text, held in found if not held]:
            click.echo(f"  {text}")
        return holds
    for text, _ in (*found, (differences(pairs), True), *judged):
        click.echo(text)
    return holds


def verify(row: Row, pairs: Pairs, by: str, what: str) -> None:
    """Append to the published folder that a row was reproduced, and show it in the folder's leaderboard."""
    from ..tables.publishing import write_tables
    from ..tables.verifying import append

    again = cells_again(pairs)
    if not again or row.folder is None:
        click.echo(f"{row.title}: not verified: no cell ended ok")
        return
    name, was, now = means(again)
    figures = {"metric": name, "was": was, "now": now, "interval": row.interval and list(row.interval)}
    path = append(row.folder, again, figures, by=by, differs=differences(pairs), command=f"dlbench reproduce {what}")
    write_tables(row.folder)
    click.echo(f"verified by {by}: {path}")


def verdict(pairs: Pairs, interval: tuple[float, float] | None) -> Iterator[tuple[str, bool]]:
    """Whether the ranked metric's mean over the cells lies where it should; nothing where no cell ended ok twice."""
    if not (again := cells_again(pairs)):
        return
    name, was, now = means(again)
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
            changed[plain(f"{key} was {was[key]}, is {now[key]}", 300)] = None
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
        again = new["metrics"]["test"].get(metric)
        if again is None or not isinstance(value, (int, float)):
            found.append((f"{old.name}: test {metric} was {value}, now {again} ({note})", False))
            continue
        same = "equal" if again == value else f"differs by {again - value:+.6g}"
        found.append((f"{old.name}: test {metric} was {value:.6g}, now {again:.6g}: {same} ({note})", True))
    return found
