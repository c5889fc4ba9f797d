"""`dlbench table`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..tables.layout import NARROWEST
from ..tables.rendering import FORMATS, WITH_NOTES, sorted_by
from .run import DEFAULT_RESULTS, NOT_OK

if TYPE_CHECKING:
    from ..results import BySuite, Record

ROWS = ("sort", "where", "front", "columns", "width", "stale", "plugins")
"""What only a table of rows knows."""
DERIVING = ("where", "front", "columns", "stale")
"""What may ask for a column that is made of others."""
STALE = ("suite", "task", "model", "options", "treatment", "score", "stale")
"""The columns of --stale, where no others are asked for."""


@click.command()
@click.argument("results", default=DEFAULT_RESULTS, type=click.Path(path_type=Path))
@click.option("--format", "format_", default="terminal", type=click.Choice(FORMATS), help="How to print it.")
@click.option("--sort", metavar="COLUMN", help="A column of the CSV; the best first.")
@click.option("--where", metavar="EXPR", help="Rows of which this holds: 'params < 1M and latency_p50_ms < 2ms'.")
@click.option("--front", metavar="COLUMN", help="Rows that no other beats in both the mean and this column.")
@click.option("--columns", metavar="A,B,...", help="These columns only: model,score,size_mb.")
@click.option("--stale", is_flag=True, help="Rows that today's program wouldn't make again, and what has changed.")
@click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN|FILE.py", help="One more plugin.")
@click.option("--width", type=click.IntRange(NARROWEST, 1000), help="Columns of the terminal to fill.")
@click.option("--against", metavar="OPTION", help="Time and memory of the profiles against an option of the tasks.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="With --against: draw it to this file.")
def command(results: Path, **given: Any) -> None:
    """Print the leaderboard of a results folder, a published folder, or one record."""
    if given["plot"] is not None and given["against"] is None:
        raise UsageError("say with --against OPTION what the plot is drawn against")
    if given["against"] is not None and (unused := [name for name in ROWS if given[name]]):
        raise UsageError(f"--against prints a table of its own, without --{unused[0]}")
    by_suite = load(results)
    click.echo(growth(by_suite, given) if given["against"] is not None else rows(by_suite, given), nl=False)
    if by_suite.problems:
        sys.exit(NOT_OK)


def growth(by_suite: BySuite, given: Mapping[str, Any]) -> str:
    """The table of --against; draws the plot where one is asked for."""
    from ..tables import scaling

    grown = scaling.scaling(by_suite, given["against"])
    if given["plot"] is not None:
        scaling.plot(grown, given["against"], given["plot"])
    return scaling.render(grown, given["against"], given["format_"])


def rows(by_suite: BySuite, given: Mapping[str, Any]) -> str:
    """The leaderboard as the options want it. What is left out is said on standard error."""
    from ..tables import leaderboard, selection

    whole, groups = leaderboard.rows_and_groups(by_suite)
    frame, names = whole, None
    if any(given[option] for option in DERIVING) or given["sort"] not in (None, *whole.columns):
        frame = selection.derived(whole)
    if given["stale"]:
        frame = selection.stale(frame, groups, reasons_of(given["plugins"]))
        names = [*STALE]
    if given["columns"] is not None:
        names = selection.chosen(given["columns"], [*frame.columns])
    if given["where"] is not None:
        frame = selection.where(frame, given["where"])
    if given["front"] is not None:
        frame, said = selection.front(frame, given["front"])
        for sentence in said:
            click.echo(f"dlbench: {sentence}", err=True)
    if len(frame) < len(whole):
        click.echo(f"dlbench: {len(frame)} of {len(whole)} rows; ranks are those of the whole table", err=True)
    if names is not None:
        return selection.render_columns(frame, names, given["format_"], sort=given["sort"], width=given["width"])
    notes = leaderboard.notes_of_groups(groups[i] for i in frame.index) if given["format_"] in WITH_NOTES else []
    if given["sort"] not in (None, *whole.columns):  # a column made of others
        frame = sorted_by(frame, given["sort"])
        given = {**given, "sort": None}
    return leaderboard.render(
        frame[[*whole.columns]], given["format_"], sort=given["sort"], notes=notes, width=given["width"]
    )


def reasons_of(plugins: Iterable[str]) -> Callable[[Record], list[str]]:
    """What tells why a record isn't what today's program would make."""
    from functools import partial

    from ..plan.catalog import check_extra, discover
    from ..plan.outdated import outdated
    from ..plan.plan import Makings
    from .run import warn_of_problems

    catalog = discover(plugins)
    check_extra(catalog, plugins)
    warn_of_problems(catalog.problems)
    return partial(outdated, makings=Makings(catalog))


def load(path: Path) -> BySuite:
    """The records under a path, by suite, with `problems`: what can't be read there, which is said. Raises UsageError
    where there are no records."""
    from ..data.root import default_cache
    from ..results import load_by_suite

    try:
        found = load_by_suite(path, default_cache())
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from error
    for problem in found.problems:
        click.echo(f"dlbench: {problem}", err=True)
    return found
