"""`dlbench aggregate`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..errors import UsageError, unknown
from .run import DEFAULT_RESULTS, NOT_OK
from .table import load


@click.command()
@click.argument("results", nargs=-1, type=click.Path(path_type=Path))
@click.option("--suite", "suites", multiple=True, metavar="NAME", help="Only this suite.")
@click.option(
    "--format", "format_", default="terminal", type=click.Choice(("terminal", "csv", "md", "json", "bencheval")),
    help="How to print it; bencheval: one line per run, for TabArena's package.",
)  # fmt: skip
@click.option("--over", default="model", type=click.Choice(("model", "treatment")), help="Who is compared.")
@click.option(
    "--missing", default="worst", show_default=True, type=click.Choice(("worst", "split")),
    help="Without a score: count as the worst, or split the table by what was covered.",
)  # fmt: skip
@click.option("--anchor", metavar="NAME", help="Who has an Elo of 1000; default: the mean of all.")
def command(
    results: tuple[Path, ...], suites: tuple[str, ...], format_: str, over: str, missing: str, anchor: str | None
) -> None:
    """Aggregate models over the tasks of a suite: Elo, mean rank, win rate, interquartile mean, improvability.

    Nothing is compared over different tasks: coverage is a column. Suites, runtimes and machines are kept apart.
    """
    loaded = [load(path) for path in results or (Path(DEFAULT_RESULTS),)]
    by_suite: dict[str, list] = {}  # type: ignore[type-arg]
    for found in loaded:
        for suite, records in found.items():
            by_suite.setdefault(suite, []).extend(records)
    for suite in suites:
        if suite not in by_suite:
            raise unknown("suite", suite, sorted(by_suite))
    from ..tables import scoreboard, standings

    chosen = {suite: records for suite, records in by_suite.items() if not suites or suite in suites}
    standing = standings.standings(chosen, over, missing, anchor)  # type: ignore[arg-type]
    if not standing:
        raise UsageError(f"there are no scores to aggregate over {over}s")
    click.echo(scoreboard.render(standing, over, format_), nl=False)
    if format_ not in ("terminal", "md"):
        for each in standing:
            for note in each.notes:
                click.echo(f"{each.contest.title}: {note}", err=True)
    if any(found.problems for found in loaded):
        sys.exit(NOT_OK)
