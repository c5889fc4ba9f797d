"""`dlbench forget`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..data.root import default_cache
from ..errors import UsageError
from ..results import Results
from .progress import counted
from .run import DEFAULT_RESULTS, write_tables
from .table import reasons_of

if TYPE_CHECKING:
    from ..results import Record

TABLES = ("leaderboard.csv", "metrics.csv")


@click.command()
@click.argument("results", default=DEFAULT_RESULTS, type=click.Path(path_type=Path))
@click.option("--where", metavar="EXPR", help="Rows of which this holds: \"model ~ 'old*'\".")
@click.option("--failed", is_flag=True, help="Rows with a cell that didn't end ok, and profiles that didn't.")
@click.option("--stale", is_flag=True, help="Rows that today's program wouldn't make again.")
@click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN|FILE.py", help="One more plugin.")
@click.option("--dry-run", is_flag=True, help="Print what would go, and stop.")
def command(
    results: Path, where: str | None, failed: bool, stale: bool, plugins: tuple[str, ...], dry_run: bool
) -> None:
    """Take rows out of a results folder, with their records, logs and pictures.

    Where several of --where, --failed and --stale are given, a row goes if all of them say so. Rows go as a whole, with
    the seeds that ended ok. A record that another row or suite shows stays.
    """
    from ..tables.forgetting import to_forget

    if where is None and not (failed or stale):
        raise UsageError("say what to forget: --where EXPR, --failed or --stale")
    if not (results / "suites").is_dir():
        raise UsageError(f"{results} is no results folder that runs write to: it has no suites/")
    folder = Results(results, default_cache())
    found = to_forget(folder, where, bad_of(failed, stale, plugins))
    for problem in folder.problems:
        click.echo(f"dlbench: {problem}", err=True)
    for row, records in found.rows.items():
        click.echo(f"{'would forget' if dry_run else 'forget'} {row}: {what(records)}")
    if not found.rows:
        click.echo("nothing to forget")
    elif not dry_run:
        gone = folder.forget(found.squares)
        if not write_tables(folder)[1]:
            for name in TABLES:
                (results / name).unlink(missing_ok=True)
        total = len({record.name for records in found.rows.values() for record in records})
        shared = f"; {total - len(gone)} stay, as other rows have them" if total > len(gone) else ""
        click.echo(f"removed {counted(len(gone), 'record')}{shared}")


def bad_of(failed: bool, stale: bool, plugins: Iterable[str]) -> Callable[[Record], bool] | None:
    """Which records make a row go; None where the filter alone decides."""
    from ..tables.forgetting import has_failed

    if not stale:
        return has_failed if failed else None
    reasons = reasons_of(plugins)
    return lambda record: bool(reasons(record)) and (not failed or has_failed(record))


def what(records: Iterable[Record]) -> str:
    """`3 cells (1 diverged) and 1 profile`."""
    parts = []
    for kind in ("cell", "profile"):
        mine = [record for record in records if record["type"] == kind]
        bad = Counter(record.status for record in mine if record.status != "ok")
        each = f" ({', '.join(f'{count} {status}' for status, count in bad.most_common())})" if bad else ""
        parts += [counted(len(mine), kind) + each] if mine else []
    return " and ".join(parts)
