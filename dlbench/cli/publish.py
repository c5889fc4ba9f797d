"""`dlbench publish`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .run import DEFAULT_RESULTS, NOT_OK
from .table import load


@click.command()
@click.argument("results", default=DEFAULT_RESULTS, type=click.Path(path_type=Path))
@click.option("--to", "target", default="results", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--keep",
    type=click.Choice(["pictures"]),
    help="Also copy what tasks drew of the first seed of each row: mind the licence of what is shown.",
)
@click.option(
    "--mixed",
    is_flag=True,
    help="Publish also where versions of a task, protocols or machines would stand in one leaderboard.",
)
def command(results: Path, target: Path, keep: str | None, mixed: bool) -> None:
    """Merge records and leaderboards into TO/SUITE/MACHINE/, without host names, absolute paths or logs.

    What is there of other rows stays; a newer record takes the place of an older one of the same seed. PROVENANCE.json
    says where the records come from, SHA256SUMS lists their checksums. Published again from its own folder, a
    leaderboard is made anew: `dlbench publish results --to results`.
    """
    from ..tables.publishing import publish, rows_of

    by_suite = load(results)
    if by_suite.problems:
        click.echo("dlbench: nothing is published: a row might lack a seed; mend or delete these files first", err=True)
        sys.exit(NOT_OK)
    for folder, change in publish(by_suite, target, results if keep else None, mixed=mixed).items():
        kept = len(change.records) - len(change.added) - len(change.replaced)
        counts = ((len(change.added), "new"), (len(change.replaced), "replaced"), (kept, "as before"))
        click.echo(f"published {folder}/leaderboard.csv: {', '.join(f'{n} {what}' for n, what in counts if n)}")
        for line in rows_of(change.replaced):
            click.echo(f"  replaced by newer records: {line}")
        for line in rows_of(change.older):
            click.echo(f"  not published, as what stands there is newer: {line}")
