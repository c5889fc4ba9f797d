"""Writes the generated pages: docs/cli.md, docs/catalog.md, docs/matrix.md, docs/api.md, results/README.md. Run it
after a change of a command, of a built-in plugin, of a public name or of published results:

python docs/generate.py
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

import dlbench
from dlbench.cli import group
from dlbench.contract.choice import format_value, option_defaults
from dlbench.contract.specs import ModelSpec, Suite, TaskSpec
from dlbench.plan.catalog import Catalog, Source, load_sources
from dlbench.plan.plan import Makings

DOCS = Path(__file__).resolve().parent
WIDTH = 100
NOTICE = "<!-- made by docs/generate.py -->"


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


# --- commands ---------------------------------------------------------------------------------------------


def cli_page() -> str:
    """What `--help` prints, for `dlbench` and each of its verbs."""
    root = click.Context(group, info_name="dlbench", terminal_width=WIDTH, **group.context_settings)
    lines = ["# Commands", "", NOTICE, "", "What `--help` prints, in one place.", ""]
    for context in contexts(root):
        lines += [f"## {context.command_path}", "", "```text", context.get_help(), "```", ""]
    return "\n".join(lines)


def contexts(context: click.Context) -> Iterator[click.Context]:
    """A command's context, then those of its sub-commands."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, name
            yield from contexts(click.Context(inner, info_name=name, parent=context, terminal_width=WIDTH))


# --- catalog ----------------------------------------------------------------------------------------------


def catalog_page() -> str:
    """Tables of all that the built-in plugins provide."""
    catalog = built_in()
    parts = [
        "# What is built in",
        f"{NOTICE}\n\nEach name with its options and their defaults. `dlbench list` also shows what other plugins add; "
        "`dlbench show NAME` says more.",
        "## Models",
        table(["model", "family", "accepts", "options", "paper"], map(model_row, specs(catalog, "models"))),
        "## Tasks",
        table(
            ["task", "asks", "metric", "floor", "bound", "reference", "options", "recipe"],
            map(task_row, specs(catalog, "tasks")),
        ),
        *(
            f"`{spec.name}`: {spec.description.removesuffix('.')}."
            for spec in specs(catalog, "tasks")
            if spec.description
        ),
        "## Suites",
        table(["suite", "seeds", "tasks x models", "description"], map(suite_row, specs(catalog, "suites"))),
    ]
    for kind in ("optimizers", "schedules", "regularizers", "initializers"):
        rows = [[code(s.name), options(s.build), s.paper] for s in specs(catalog, kind)]
        parts += [f"## {kind.capitalize()}", table([kind[:-1], "options", "paper"], rows)]
    return "\n\n".join(parts) + "\n"


def built_in() -> Catalog:
    """The plugins of this repository, by its pyproject: what else is installed here doesn't belong on the page."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    catalog = load_sources(Source(name, target) for name, target in project["entry-points"]["dlbench"].items())
    assert not catalog.problems, catalog.problems
    return catalog


def specs(catalog: Catalog, kind: str) -> list[Any]:
    """By name, because the order of plugins means nothing."""
    return sorted(catalog.specs[kind].values(), key=lambda spec: spec.name)


def model_row(spec: ModelSpec) -> list[str]:
    accepts = ", ".join(sorted({f"{i.label()} → {o.label()}" for i, o in spec.accepts}))
    return [code(spec.name), spec.family, accepts, options(spec.build), spec.paper]


def task_row(spec: TaskSpec) -> list[str]:
    metric = spec.metric
    asks = f"{spec.input_kind.label()} → {spec.output_kind.label()}"
    arrow = "" if metric.higher_is_better else " ↓"
    floor = None if callable(spec.floor) and spec.name.endswith(":*") else spec.floor_of({})
    reference = f"{figure(spec.reference.value, metric.unit)}: {spec.reference.source}" if spec.reference else ""
    recipe = ", ".join(f"{key}={value}" for key, value in spec.recipe.items())
    return [
        code(spec.name), asks, f"{metric.name}{arrow} ({metric.unit})", figure(floor, metric.unit),
        figure(spec.bound, metric.unit), reference, options(spec.load), code(recipe),
    ]  # fmt: skip


def suite_row(spec: Suite) -> list[str]:
    seeds = str(spec.seeds) if isinstance(spec.seeds, int) else ", ".join(map(str, spec.seeds))
    blocks = [
        f"{', '.join(b.tasks)} x {', '.join(b.models)}"
        + (f" under {', '.join(b.treatments)}" if b.treatments else "")
        + (f" ({b.variant})" if b.variant else "")
        for b in spec.blocks
    ]
    return [code(spec.name), seeds, "; ".join(blocks), spec.description]


def options(builder: Callable[..., Any]) -> str:
    return code(", ".join(f"{key}={format_value(value)}" for key, value in option_defaults(builder).items()))


def figure(value: float | None, unit: str) -> str:
    """Fractions as %."""
    if value is None:
        return ""
    return f"{100 * value:.4g} %" if unit == "fraction" else f"{value:.4g}"


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


# --- ingredients on every family --------------------------------------------------------------------------


def matrix_page() -> str:
    """What comes of one training step with each ingredient."""
    sys.path.insert(0, str(DOCS))
    import matrix

    parts = ["# Every ingredient on every family", f"{NOTICE}\n\n{matrix.intro()}"]
    for heading, (header, *rows) in matrix.sections(matrix.try_all(built_in())):
        parts += [f"## {heading}", table(header, rows)]
    return "\n\n".join(parts) + "\n"


# --- names that plugins import ----------------------------------------------------------------------------


def api_page() -> str:
    """The public modules, each with its names."""
    sys.path.insert(0, str(DOCS))
    import api

    parts = [
        "# What plugins may import",
        f"{NOTICE}\n\nVersion {dlbench.API_VERSION} of the interface: `dlbench.API_VERSION`. While it stays, no name, "
        "method or parameter on this page goes away, and none becomes obligatory; more may come. A parameter with a "
        "default is written `name=`. Everything else in the package may change.",
        "## Hooks",
        "```text\n" + "\n".join(api.hooks()) + "\n```",
    ]
    for module in api.modules():
        parts += [f"## {module}", "```text\n" + "\n".join(api.lines(module)) + "\n```"]
    return "\n\n".join(parts) + "\n"


# --- results ----------------------------------------------------------------------------------------------


def results_page() -> str:
    """Every published leaderboard; which published records today's programs would make again, and why not the
    others."""
    sys.path.insert(0, str(DOCS))
    import published

    makings, results = Makings(built_in()), DOCS.parent / "results"
    rows = []
    for folder in published.folders(results):
        count, why = len(published.records_of(folder)), published.changes(folder, makings)
        name = f"{folder.parent.name}/{folder.name}"
        others = "; ".join(f"{count}: {text}" for text, count in sorted(why.items(), key=lambda pair: -pair[1]))
        rows.append([f"[{name}]({name})", str(count), str(count - sum(why.values())), others])
    return "\n\n".join([
        "# Published results",
        f"{NOTICE}\n\nEach folder holds `leaderboard.csv`, `metrics.csv`, the records behind them with their "
        "checksums, and where they come from (`PROVENANCE.json`). `dlbench table results/SUITE/MACHINE` prints it; "
        "`dlbench reproduce results/SUITE/MACHINE/leaderboard.csv:ROW` runs a row again; "
        "[publishing](../docs/publishing.md) says how a row is published and verified.",
        published.table(results, makings).strip(),
        "A record is of today's program if a run would give it the same identity: protocol of the core, sources of "
        "model, task and ingredients, version of the task, recipe. The others were made by earlier programs; the last "
        "column counts them by what has changed since.",
        table(["results", "records", "of today's program", "of earlier programs, by what has changed"], rows),
    ]) + "\n"  # fmt: skip


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "catalog.md": catalog_page,
    "matrix.md": matrix_page,
    "api.md": api_page,
    "../results/README.md": results_page,
}

if __name__ == "__main__":
    main()
