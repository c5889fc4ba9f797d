"""`dlbench merge`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..data.root import default_cache
from ..errors import UsageError
from ..results import Results
from .progress import counted
from .run import NOT_OK, write_tables

if TYPE_CHECKING:
    from ..results import Record
    from ..tables.merging import Merged

MOST = 20
"""Squares that are named."""


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--to", "target", required=True, type=click.Path(path_type=Path, file_okay=False), help="The folder that gets all."
)
def command(folders: tuple[Path, ...], target: Path) -> None:
    """Put the results folders of several machines together, and write the tables of all.

    A square (a cell or profile of a suite's grid) for which two folders have different records is a conflict: it is
    named, neither record is copied, and what TO has stays. Exit status: 3 where there are conflicts, or files that
    can't be read.
    """
    from ..tables.merging import merge

    for folder in folders:
        if not (folder / "suites").is_dir():
            raise UsageError(f"{folder} is no results folder that runs write to: it has no suites/")
    cache = default_cache()
    results = Results(target, cache)
    others = {folder.resolve(): Results(folder, cache) for folder in folders if folder.resolve() != target.resolve()}
    merged = merge([*others.values()], results)
    problems = [problem for each in (*others.values(), results) for problem in each.problems]
    for line in [*problems, *conflicts(merged)]:
        click.echo(f"dlbench: {line}", err=True)
    results.problems.clear()
    write_tables(results)
    click.echo(f"{counted(merged.squares, 'square')} joined {target}, with {counted(merged.copied, 'new record')}")
    if problems or merged.conflicts:
        sys.exit(NOT_OK)


def conflicts(merged: Merged) -> Iterator[str]:
    """A line for each square that was left out, the first twenty; then what to do."""
    for record, claims in merged.conflicts[:MOST]:
        seed = "profile" if record.is_profile else f"seed {record['seed']}"
        what = f"{record['suite']}: {named(record, 'task')} x {named(record, 'model')}, {seed}"
        yield f"conflict: {what}: {' against '.join(dict.fromkeys(claim.text for claim in claims))}"
    if len(merged.conflicts) > MOST:
        yield f"and {len(merged.conflicts) - MOST} conflicts more"
    if merged.conflicts:
        yield "none of these was copied; forget the rows that you don't want in one of the folders, and merge again"


def named(record: Record, what: str) -> str:
    """A record's model or task, with its options."""
    from ..tables.groups import named as name

    return name(record[what]["name"], record[what]["options"])
