"""`dlbench report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .run import DEFAULT_RESULTS, NOT_OK
from .table import load

if TYPE_CHECKING:
    from ..results import BySuite


FEW_SUITES = 4
"""So many are named in a title."""


@click.command()
@click.argument("results", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.html")
@click.option("--where", metavar="EXPR", help="Rows of which this holds, as for `dlbench table`.")
@click.option("--title", help="Default: the suites' names.")
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also draw each plot as a file: SVG, and PNG where matplotlib is there.",
)
def command(results: tuple[Path, ...], out: Path, where: str | None, title: str | None, plots: Path | None) -> None:
    """Write one HTML page of the leaderboards of results folders, published folders or records: tables that sort and
    filter, plots, learning curves, failures, pictures, environments. It needs no network and no other file."""
    from ..report.content import Content
    from ..report.page import MOST_BYTES, page
    from ..results import write_text

    folders = results or (Path(DEFAULT_RESULTS),)
    by_suite = together(folders)
    content = Content(by_suite, where)
    suites = ", ".join(by_suite) if len(by_suite) <= FEW_SUITES else f"{len(by_suite)} suites"
    text = page(content, folders, out, title or f"dlbench: {suites}")
    write_text(out, text)
    size = len(text.encode())
    click.echo(f"{len(content.rows)} rows: {out} ({size / 1e6:.1f} MB)")
    if size > MOST_BYTES:
        click.echo(f"dlbench: the page is larger than {MOST_BYTES / 1e6:.0f} MB: --where leaves rows out", err=True)
    if plots is not None:
        from ..report.files import write_plots

        for line in write_plots(content.tables, plots):
            click.echo(line)
    if by_suite.problems:
        sys.exit(NOT_OK)


def together(folders: tuple[Path, ...]) -> BySuite:
    """The records of all folders, by suite; a record that several have counts once."""
    from ..results import BySuite

    found = BySuite()
    for each in map(load, folders):
        found.problems += each.problems
        for suite, records in each.items():
            known = {record.name for record in found.setdefault(suite, [])}
            found[suite] += [record for record in records if record.name not in known]
    return found
