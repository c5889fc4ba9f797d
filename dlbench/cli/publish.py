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
def command(results: Path, target: Path, keep: str | None) -> None:
    """Copy records and leaderboards to TO/SUITE/MACHINE/, without host names, absolute paths or logs."""
    from ..tables.publishing import publish

    by_suite = load(results)
    if by_suite.problems:
        click.echo("dlbench: nothing is published: a row might lack a seed; mend or delete these files first", err=True)
        sys.exit(NOT_OK)
    for folder in publish(by_suite, target, results / "pictures" if keep else None):
        click.echo(f"published {folder}/leaderboard.csv")
