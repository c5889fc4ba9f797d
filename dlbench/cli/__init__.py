"""The command line: one small file per verb, imported only when its verb is used."""

from __future__ import annotations

import gc
import io
import sys
from importlib import import_module

import click

VERBS = {
    "run": "Train, judge and measure; print the table.",
    "tune": "Choose settings on validation, as many trials for each choice, and run the best.",
    "list": "List models, tasks, suites, ingredients or plugins.",
    "show": "Show one model, task or suite; with a task, the recipe and who set what.",
    "table": "Print the leaderboard of a results folder.",
    "pick": "Say which model is best within limits, and what would decide it.",
    "forget": "Take rows out of a results folder: failed, stale, or by a filter.",
    "merge": "Put the results folders of several machines together.",
    "aggregate": "Aggregate models over tasks: Elo, mean rank, interquartile mean, improvability.",
    "compare": "Compare two result sets: better, worse, or can't tell.",
    "race": "Race two models, or two checkouts, side by side: faster, slower, or can't tell.",
    "report": "Write one HTML page of results: tables, plots, curves, failures.",
    "publish": "Copy a run's records and leaderboards to where others find them.",
    "reproduce": "Run again what a leaderboard's row or a record says.",
    "data": "List, fetch, verify or locate data sets.",
    "check": "Run the conformance kit on a plugin.",
    "new-plugin": "Write the skeleton of a plugin package with its tests.",
    "doctor": "Check this machine and this installation.",
}


HELP_WIDTH = 100


class Verbs(click.Group):
    """A group whose verbs are imported when used; its help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*VERBS]  # not list(): the verb's module has that name here

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module = import_module(f".{name.replace('-', '_')}", __name__)
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS:
            from ..errors import unknown

            raise click.UsageError(str(unknown("command", args[0], VERBS)))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": HELP_WIDTH})
@click.version_option(package_name="dlbench")
def group() -> None:
    """Which architecture wins, under your budget of accuracy, speed and memory?

    `dlbench run` without arguments runs the suite `quick`: embedded data, no download, no GPU.
    """


def main() -> None:
    """The entry point: errors that dlbench raises on purpose, and what the system refuses (a full disk, a folder that
    can't be written), are one line and exit status 2. What a stream can't encode is shown as `?`."""
    from ..contract.importing import import_path
    from ..errors import DlbenchError
    from ..tables.layout import terminal_width

    gc.set_threshold(50_000, *gc.get_threshold()[1:])  # what a command imports and collects is no garbage
    sys.path[:] = import_path()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        group(prog_name="dlbench", terminal_width=min(terminal_width(80), HELP_WIDTH) - 2)
    except (DlbenchError, OSError) as error:
        if "--debug" in sys.argv:
            raise
        if isinstance(error, OSError) and error.strerror:
            click.echo(f"dlbench: {error.filename or 'the system says'}: {error.strerror}", err=True)
        else:
            click.echo(f"dlbench: {error}", err=True)
        sys.exit(2)
