"""`dlbench publish`."""

from __future__ import annotations

from pathlib import Path

import click

from .run import DEFAULT_RESULTS
from .table import load


@click.command()
@click.argument("results", default=DEFAULT_RESULTS, type=click.Path(path_type=Path))
@click.option("--to", "target", default="results", show_default=True, type=click.Path(path_type=Path))
def command(results: Path, target: Path) -> None:
    """Copy records and leaderboards to TO/SUITE/MACHINE/, without host names, absolute paths or logs."""
    from ..publishing import publish

    for folder in publish(load(results), target):
        click.echo(f"published {folder}/leaderboard.csv")
