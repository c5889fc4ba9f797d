"""`dlbench compare`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..tables.rendering import PLAIN
from .run import NOT_OK
from .table import load


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--gate", is_flag=True, help="Exit with 1 if anything is worse.")
@click.option("--format", "format_", default="terminal", type=click.Choice(PLAIN), help="How to print it.")
def command(old: Path, new: Path, gate: bool, format_: str) -> None:
    """Compare two result sets: metric, speed and memory are better, worse, or can't be told apart."""
    from ..tables.comparison import compare, has_worse, render_comparison

    before, after = load(old), load(new)
    changes = compare(before, after)
    click.echo(render_comparison(changes, format_), nl=False)
    if gate and has_worse(changes):
        sys.exit(1)
    if before.problems or after.problems:
        sys.exit(NOT_OK)
