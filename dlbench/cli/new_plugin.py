"""`dlbench new-plugin`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click

from ..errors import UsageError

PROJECT = {"pyproject.toml": "pyproject.toml.txt", "README.md": "README.md.txt"}
FRONT, TESTS = "dlbench_{name}/__init__.py", "tests/test_plugin.py"


@dataclass(frozen=True)
class Skeleton:
    """A kind of plugin: its files beside those that all have, what its README says it is, and what to list and run."""

    files: Mapping[str, str]
    what: str
    lists: str
    run: str


KINDS = {
    "both": Skeleton(
        {FRONT: "front.py.txt", TESTS: "test_plugin.py.txt", "dlbench_{name}/model.py": "model.py.txt",
         "dlbench_{name}/task.py": "task.py.txt"},
        "the model `@NAME@` and the task `@NAME@_waves`", "models", "-m @NAME@ -m mlp -t @NAME@_waves -t digits",
    ),
    "model": Skeleton(
        {FRONT: "front_model.py.txt", TESTS: "test_model.py.txt", "dlbench_{name}/model.py": "model.py.txt"},
        "the model `@NAME@`", "models", "-m @NAME@ -m mlp -t digits",
    ),
    "task": Skeleton(
        {FRONT: "front_task.py.txt", TESTS: "test_task.py.txt", "dlbench_{name}/task.py": "task.py.txt"},
        "the task `@NAME@`", "tasks", "-m constant -m mlp -t @NAME@",
    ),
    "optimizer": Skeleton(
        {FRONT: "front_optimizer.py.txt", TESTS: "test_optimizer.py.txt",
         "dlbench_{name}/optimizer.py": "optimizer.py.txt"},
        "the optimizer `@NAME@`", "optimizers", "-m mlp -t digits --set optimizer=@NAME@ --set lr=0.05",
    ),
    "regularizer": Skeleton(
        {FRONT: "front_regularizer.py.txt", TESTS: "test_regularizer.py.txt",
         "dlbench_{name}/regularizer.py": "regularizer.py.txt"},
        "the regularizer `@NAME@`", "regularizers", "-m mlp -t digits --set 'regularizers=@NAME@[rate=1e-3]'",
    ),
    "suite": Skeleton(
        {FRONT: "front_suite.py.txt", TESTS: "test_suite.py.txt"},
        "the suite `@NAME@`", "suites", "--suite @NAME@",
    ),
}  # fmt: skip


@click.command()
@click.argument("name")
@click.option("--kind", default="both", show_default=True, type=click.Choice([*KINDS]), help="both: model and task.")
@click.option("--to", "target", default=".", type=click.Path(path_type=Path, file_okay=False), help="Parent folder.")
def command(name: str, kind: str, target: Path) -> None:
    """Write a plugin package NAME with something small that works, its pyproject and its tests."""
    folder = write_plugin(name, target, kind)
    click.echo(f"wrote {folder}/; next: pip install -e {folder} && cd {folder} && pytest --dlbench")


def write_plugin(name: str, target: Path, kind: str = "both") -> Path:
    """The new package's folder, `target/dlbench-NAME`; raises UsageError on a bad name or a folder that exists."""
    if not name.isidentifier() or name != name.lower():
        raise UsageError(f"{name!r} can't be a plugin's name: use lower-case letters, digits and _")
    folder = target / f"dlbench-{name}"
    if folder.exists():
        raise UsageError(f"{folder} exists already")
    templates, skeleton = files("dlbench") / "skeleton", KINDS[kind]
    words = {"@WHAT@": skeleton.what, "@LIST@": skeleton.lists, "@RUN@": skeleton.run, "@NAME@": name}
    for place, source in {**PROJECT, **skeleton.files}.items():
        path = folder / place.format(name=name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (templates / source).read_text()
        for word, meaning in words.items():  # the name last, as the others hold it
            text = text.replace(word, meaning)
        path.write_text(text)
    return folder
