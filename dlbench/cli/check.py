"""`dlbench check`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..contract.importing import guest

NOT_CONFORMING = 1


@click.command()
@click.argument("plugin")
@click.option("--data", type=click.Path(path_type=Path), help="The data root; default: $DLBENCH_DATA.")
@click.option("--only", multiple=True, metavar="NAME", help="A model or task of it, or a member of an open family.")
@click.option("-v", "--verbose", is_flag=True, help="Also list what holds.")
def command(plugin: str, data: Path | None, only: tuple[str, ...], verbose: bool) -> None:
    """Check a plugin (its entry point's name, its module, or a .py file) and every model and task that it provides.

    Exit status 1 where something doesn't hold.
    """
    from ..testing.kit import check_plugin

    with guest():
        findings = check_plugin(plugin, data_root=data, only=only)
    for finding in findings:
        if verbose or not finding.ok or finding.subject.endswith(":*"):
            click.echo(str(finding))
    bad = sum(not finding.ok for finding in findings)
    click.echo(
        f"{plugin}: {len(findings)} checks, {bad} don't hold" if bad else f"{plugin}: {len(findings)} checks hold"
    )
    sys.exit(NOT_CONFORMING if bad else 0)
