"""`dlbench list`."""

from __future__ import annotations

from typing import Any

import click

from ..contract.choice import format_value, option_defaults
from ..plan.catalog import KINDS_OF_SPEC, Catalog, check_extra, discover
from ..tables import layout
from ..tables.layout import terminal_width

WHAT = [*KINDS_OF_SPEC, "plugins"]


@click.command()
@click.argument("what", type=click.Choice(WHAT), default="models")
@click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN|FILE.py", help="One more plugin.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(what: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """List models, tasks, suites, optimizers, schedules, regularizers, initializers, trackers, executors or plugins."""
    catalog = discover(plugins, KINDS_OF_SPEC if what == "plugins" else (what,))
    if what != "plugins":  # that listing is where a broken one is looked up
        check_extra(catalog, plugins)
    rows = (
        plugin_rows(catalog) if what == "plugins" else [describe(catalog, what, name) for name in catalog.specs[what]]
    )
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=1))
        return
    for line in columns(rows):
        click.echo(line)
    if what != "plugins" and catalog.problems:
        click.echo(f"{len(catalog.problems)} plugins have problems: dlbench list plugins", err=True)


def describe(catalog: Catalog, what: str, name: str) -> dict[str, str]:
    """One line of a listing."""
    spec = catalog.specs[what][name]
    row = {"name": name}
    if what == "models":
        row["family"] = spec.family
        row["accepts"] = accepts_of(spec)
    if what == "tasks":
        row["signature"] = f"{spec.input_kind.label()} -> {spec.output_kind.label()}"
        row["metric"] = spec.metric.name
    if what in ("suites", "executors"):
        row["description"] = spec.description
    row["plugin"] = catalog.provider(what, name).name
    if what != "suites":
        row["options"] = options_of(spec.load if what == "tasks" else spec.build)
    return row


def accepts_of(spec: Any) -> str:
    """A model's pairs of kinds, those of one input together: `graph -> classes, value; image -> classes`."""
    outputs: dict[str, set[str]] = {}
    for given, asked in spec.accepts:
        outputs.setdefault(given.label(), set()).add(asked.label())
    return "; ".join(f"{given} -> {', '.join(sorted(outputs[given]))}" for given in sorted(outputs))


def options_of(builder: Any) -> str:
    """A builder's options with their defaults."""
    return ", ".join(f"{key}={format_value(value)}" for key, value in option_defaults(builder).items())


def plugin_rows(catalog: Catalog) -> list[dict[str, str]]:
    """One line per plugin: what it provides, or its problem."""
    rows = []
    names = {source.name: source for source in catalog.sources}
    for name in sorted({*names, *catalog.problems}):
        counts = [f"{n} {kind}" for kind in KINDS_OF_SPEC if (n := _provided(catalog, kind, name))]
        problem = catalog.problems.get(name)
        version = names[name].version if name in names else ""
        state = "problem: " + problem if problem else "ok"
        rows.append({"plugin": name, "version": version, "provides": ", ".join(counts), "state": state})
    return rows


def _provided(catalog: Catalog, kind: str, plugin: str) -> int:
    return sum(k == kind and source.name == plugin and n in catalog.specs[k]
               for (k, n), source in catalog.providers.items())  # fmt: skip


def columns(rows: list[dict[str, str]]) -> list[str]:
    """Rows as aligned text with a heading, as wide as the terminal."""
    if not rows:
        return ["(none)"]
    keys = list(rows[0])
    return layout.columns(keys, [[row[key] for key in keys] for row in rows], range(len(keys)), terminal_width())
