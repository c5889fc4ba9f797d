"""`dlbench compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..tables.rendering import PLAIN
from .run import NOT_OK
from .table import load

if TYPE_CHECKING:
    from ..results import BySuite
    from ..tables.groups import Group


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", required=False, type=click.Path(path_type=Path))
@click.option("--match", metavar="KEY,...", help="Line rows up on these keys alone: model,task.")
@click.option("--old", "old_where", metavar="EXPR", help="Rows of OLD of which this holds: \"precision = 'fp32'\".")
@click.option("--new", "new_where", metavar="EXPR", help="Rows of NEW of which this holds.")
@click.option("--gate", is_flag=True, help="Exit with 1 if anything is worse.")
@click.option("--format", "format_", default="terminal", type=click.Choice(PLAIN), help="How to print it.")
def command(old: Path, new: Path | None, gate: bool, format_: str, **given: str | None) -> None:
    """Compare two result sets: metric, speed and memory are better, worse, or can't be told apart.

    NEW is by default OLD, for two kinds of rows of one set: --match model,task --old EXPR --new EXPR.
    """
    from ..tables.comparison import compare_groups, has_worse, render_comparison

    if new is None and given["old_where"] is None and given["new_where"] is None:
        raise UsageError("say what OLD is compared with: NEW, or --match model,task with --old EXPR and --new EXPR")
    sides = [(old, given["old_where"]), (new or old, given["new_where"])]
    records = [load(path) for path, _ in sides]
    rows = [chosen(found, where, path) for found, (path, where) in zip(records, sides, strict=True)]
    if gate:
        for (path, _), found in zip(sides, rows, strict=True):
            if not found:
                raise UsageError(f"--gate needs records on both sides, and there are none under {path}")
    changes = compare_groups(rows[0], rows[1], keys_of(given["match"]))
    if gate and all(change.quantity == "row" for change in changes):
        raise UsageError("--gate needs rows that both sides have, and there are none: --match says what to line up")
    click.echo(render_comparison(changes, format_), nl=False)
    if gate and has_worse(changes):
        sys.exit(1)
    if any(found.problems for found in records):
        sys.exit(NOT_OK)


def keys_of(text: str | None) -> list[str] | None:
    """The keys that `model,task` names; None where none were asked for."""
    if text is None:
        return None
    if not (keys := [*dict.fromkeys(key.strip() for key in text.split(",") if key.strip())]):
        raise UsageError("--match takes keys of rows, such as model,task")
    return keys


def chosen(by_suite: BySuite, where: str | None, path: Path) -> list[Group]:
    """The groups behind the rows of which a filter holds; raises UsageError where it holds of none."""
    from ..tables.groups import groups

    if where is None:
        return groups(by_suite)
    from ..tables.selection import groups_where

    if not (found := groups_where(by_suite, where)):
        raise UsageError(f"no row under {path} holds {where!r}")
    return found
