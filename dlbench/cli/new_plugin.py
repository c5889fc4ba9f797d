"""`dlbench new-plugin`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from ..errors import UsageError

SKELETON = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "dlbench_{name}/__init__.py": "front.py.txt",
    "dlbench_{name}/model.py": "model.py.txt",
    "dlbench_{name}/task.py": "task.py.txt",
    "tests/test_plugin.py": "test_plugin.py.txt",
}


@click.command()
@click.argument("name")
@click.option("--to", "target", default=".", type=click.Path(path_type=Path, file_okay=False), help="Parent folder.")
def command(name: str, target: Path) -> None:
    """Write a plugin package NAME with a model in 15 lines, a task in 40, its pyproject and its tests."""
    folder = write_plugin(name, target)
    click.echo(f"wrote {folder}/; next: pip install -e {folder} && dlbench check {name} && pytest {folder}")


def write_plugin(name: str, target: Path) -> Path:
    """The new package's folder, `target/dlbench-NAME`; raises UsageError on a bad name or a folder that exists."""
    if not name.isidentifier() or name != name.lower():
        raise UsageError(f"{name!r} can't be a plugin's name: use lower-case letters, digits and _")
    folder = target / f"dlbench-{name}"
    if folder.exists():
        raise UsageError(f"{folder} exists already")
    skeleton = files("dlbench") / "skeleton"
    for place, source in SKELETON.items():
        path = folder / place.format(name=name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((skeleton / source).read_text().replace("@NAME@", name))
    return folder
