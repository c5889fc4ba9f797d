"""`dlbench data`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from ..contract.choice import Choice
from ..contract.sets import DataSet, at_hand, folders_of, home_of
from ..data.fetch import fetch as fetch_set
from ..data.root import default_cache, default_root
from ..data.verify import SetState, sha256_of, state
from ..errors import DlbenchError, UsageError, unknown
from ..plan.catalog import Catalog, discover
from .list import columns

data_option = click.option("--data", type=click.Path(path_type=Path), help="The data root; default: $DLBENCH_DATA.")
plugin_option = click.option(
    "-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN|FILE.py", help="One more plugin."
)


@click.group()
def command() -> None:
    """List, fetch, verify or locate the data sets that tasks read."""


@command.command("list")
@data_option
@plugin_option
def list_(data: Path | None, plugins: tuple[str, ...]) -> None:
    """Every data set: whether it is here, how large, under which licence."""
    rows = []
    for name, dataset in sets(discover(plugins)).items():
        found = state(dataset, data or default_root(), default_cache())
        size = f"{found.bytes / 1e6:.1f} MB" if found.bytes else "-"
        how = "fetch" if all(file.urls for file in dataset.files) else "by hand"
        rows.append({"set": name, "state": found.status, "files": str(len(found.files)), "size": size, "get": how,
                     "licence": dataset.licence})  # fmt: skip
    for line in columns(rows):
        click.echo(line)


@command.command()
@click.argument("names", nargs=-1, required=True)
@data_option
@plugin_option
def fetch(names: tuple[str, ...], data: Path | None, plugins: tuple[str, ...]) -> None:
    """Fetch data sets from their published addresses, checked by sha256."""
    root = data or default_root()
    for dataset in pick(discover(plugins), names):
        written = fetch_set(dataset, root)
        click.echo(f"{dataset.name}: {len(written)} files fetched, {len(dataset.files) - len(written)} were here")


@command.command()
@click.argument("names", nargs=-1)
@data_option
@plugin_option
def verify(names: tuple[str, ...], data: Path | None, plugins: tuple[str, ...]) -> None:
    """Hash every file anew; exit status 1 where one of a set that is here differs."""
    catalog = discover(plugins)
    bad = 0
    for dataset in pick(catalog, names) if names else sets(catalog).values():
        found: SetState = state(dataset, data or default_root(), None)
        click.echo(found.summary)
        bad += found.status == "unverified" or (bool(names) and found.status == "missing")
    sys.exit(1 if bad else 0)


@command.command()
@click.argument("name", required=False)
@data_option
@plugin_option
def path(name: str | None, data: Path | None, plugins: tuple[str, ...]) -> None:
    """Print the data root, or the path of each file of a set, or of what is at hand for it."""
    root = data or default_root()
    if name is None:
        for folder in folders_of(root):
            click.echo(folder)
        return
    (dataset,) = pick(discover(plugins), [name])
    dataset = at_hand(dataset, root)
    for file in dataset.files:
        click.echo(home_of(dataset, root) / file.path)
    if not all(file.sha256 for file in dataset.files):
        text = f"dlbench: nothing is known of {name}: put its files there, and run it with --unverified-data"
        click.echo(text, err=True)


@command.command("hash")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@data_option
def hash_(paths: tuple[Path, ...], data: Path | None) -> None:
    """Print a ready DataFile, with its sha256, for each file, or each file in a folder."""
    folders = [folder.resolve() for folder in folders_of(data or default_root())]
    for path in paths:
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            whole = file.resolve()
            home = next((folder for folder in folders if whole.is_relative_to(folder)), None)
            if home is None:
                click.echo(f"dlbench: {file} is outside the data root: put it there and mend its path", err=True)
            place = whole.relative_to(home).as_posix() if home else file.name
            click.echo(f'DataFile(path="{place}", sha256="{sha256_of(file)}", urls=()),')


def sets(catalog: Catalog) -> dict[str, DataSet]:
    """All data sets of all tasks, those that options choose among included; a task that can't say its own is told on
    standard error."""
    found: dict[str, DataSet] = {}
    for name, spec in catalog.specs["tasks"].items():
        datasets = [*spec.datasets]
        try:
            datasets += [] if name.endswith(":*") else [spec.files({})]
        except DlbenchError as error:
            click.echo(f"dlbench: {error}", err=True)
        for dataset in datasets:
            if dataset is not None:
                found.setdefault(dataset.name, dataset)
    return dict(sorted(found.items()))


def pick(catalog: Catalog, names: Iterable[str]) -> list[DataSet]:
    """The sets of these names, each a set's or that of a task which reads one, such as `tu:PROTEINS`; raises
    UsageError."""
    known, picked = sets(catalog), []
    for name in names:
        dataset = known.get(name) or _of_task(catalog, Choice.parse(name))
        if dataset is None:
            raise unknown("data set", name, known)
        picked.append(dataset)
    return picked


def _of_task(catalog: Catalog, task: Choice) -> DataSet | None:
    if task.name.endswith(":*") and task.name in catalog.specs["tasks"]:
        raise UsageError(f"{task.name} is an open family: name a member in place of the *")
    if task.name not in catalog.specs["tasks"] and f"{task.name.partition(':')[0]}:*" not in catalog.specs["tasks"]:
        return None
    return catalog.task(task.name).files(dict(catalog.checked("tasks", task).options))
