"""`dlbench table`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..errors import UsageError
from ..tables.rendering import FORMATS
from .run import DEFAULT_RESULTS, NOT_OK


@click.command()
@click.argument("results", default=DEFAULT_RESULTS, type=click.Path(path_type=Path))
@click.option("--format", "format_", default="terminal", type=click.Choice(FORMATS), help="How to print it.")
@click.option("--sort", metavar="COLUMN", help="A column of the CSV; the best first.")
@click.option("--against", metavar="OPTION", help="Time and memory of the profiles against an option of the tasks.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="With --against: draw it to this file.")
def command(results: Path, format_: str, sort: str | None, against: str | None, plot: Path | None) -> None:
    """Print the leaderboard of a results folder, a published folder, or one record."""
    from ..tables import leaderboard

    if plot is not None and against is None:
        raise UsageError("say with --against OPTION what the plot is drawn against")
    by_suite = load(results)
    if against is not None:
        from ..tables import scaling

        grown = scaling.scaling(by_suite, against)
        if plot is not None:
            scaling.plot(grown, against, plot)
        click.echo(scaling.render(grown, against, format_), nl=False)
        return
    frame = leaderboard.rows(by_suite)
    click.echo(leaderboard.render(frame, format_, sort=sort, notes=leaderboard.notes(by_suite)), nl=False)
    if by_suite.problems:
        sys.exit(NOT_OK)


def load(path: Path):  # type: ignore[no-untyped-def]
    """The records under a path, by suite, with `problems`: what can't be read there, which is said. Raises UsageError
    where there are no records."""
    from ..results import load_by_suite

    try:
        found = load_by_suite(path)
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from error
    for problem in found.problems:
        click.echo(f"dlbench: {problem}", err=True)
    return found
