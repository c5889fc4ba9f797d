"""Digests of sources: an edit changes what depends on it, and nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dlbench import Classes, Metric, OptimizerSpec, TaskSpec, Vector
from dlbench.plan.catalog import import_source
from dlbench.plan.digest import made_of, source_digest
from workshop import catalog

FRONT = '''
"""A package with four models."""
from functools import cache, partial

LEAVES = 3
ROOTS = 4

def build_oak(signature):
    from .oak import Oak
    return Oak(leaves=LEAVES)

@cache
def build_elm(signature):
    from dlbench_forest.elm import Elm
    return Elm()

def build_pine(signature, *, depth):
    import dlbench_forest.needles.pine as pine
    return pine.Pine(depth, trunk(ROOTS))

def trunk(number):
    return number  # of rings

def build_fir(signature):
    from .needles import fir, SHARP
    return fir.Fir(SHARP)

PINE_SMALL = partial(build_pine, depth=1)
'''
FILES = {
    "__init__.py": FRONT,
    "oak.py": "from .wood import Wood\nclass Oak(Wood):\n    pass\n",
    "elm.py": "class Elm:\n    def grow(self):\n        from .wood import grow\n        return grow()\n",
    "wood.py": "from . import rings\nclass Wood:\n    pass\ndef grow():\n    return rings.count()\n",
    "rings.py": "def count():\n    return 1\n",
    "needles/__init__.py": "SHARP = True\n",
    "needles/pine.py": "from ..rings import count\nclass Pine:\n    pass\n",
    "needles/fir.py": "class Fir:\n    pass\n",
    "unused.py": "X = 1\n",
}
BUILDERS = ("oak", "elm", "pine", "fir")


@pytest.fixture
def forest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "dlbench_forest"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("dlbench_forest")]:
        del sys.modules[name]


def builder(name: str) -> Callable[..., Any]:
    front = import_module("dlbench_forest")
    return front.PINE_SMALL if name == "pine" else getattr(front, f"build_{name}")


def digests() -> dict[str, str]:
    return {name: source_digest(builder(name)) for name in BUILDERS}


def changed(folder: Path, file: str, old: str, new: str) -> set[str]:
    """Which models get another digest by this edit, which is then undone."""
    path = folder / file
    text, before = path.read_text(), digests()
    assert old in text
    path.write_text(text.replace(old, new))
    after = digests()
    path.write_text(text)
    os.utime(path, ns=(1, 1))
    assert digests() == before
    return {name for name in BUILDERS if after[name] != before[name]}


@pytest.mark.parametrize(
    ("file", "old", "new", "whose"),
    [
        ("oak.py", "pass", "pass  # a comment", {"oak"}),
        ("elm.py", "grow()", "grow() + 1", {"elm"}),
        ("needles/pine.py", "pass", "depth = 3", {"pine"}),
        ("needles/fir.py", "pass", "depth = 3", {"fir"}),
        ("needles/__init__.py", "True", "False", {"fir"}),
        ("wood.py", "class Wood", "# two uses\nclass Wood", {"oak", "elm"}),
        ("rings.py", "1", "23", {"oak", "elm", "pine"}),  # through a helper, through a nested import
        ("unused.py", "1", "23", set()),
        ("__init__.py", "LEAVES = 3", "LEAVES = 33", {"oak"}),
        ("__init__.py", "ROOTS = 4", "ROOTS = 44", {"pine"}),
        ("__init__.py", "# of rings", "# of rings in the trunk", {"pine"}),
        ("__init__.py", "@cache", "@cache  # of one tree", {"elm"}),
        ("__init__.py", "return Oak(", "return  Oak(", {"oak"}),
        ("__init__.py", "A package with four models", "A package with 4 models", set()),
    ],
)
def test_an_edit_changes_the_digest_of_those_who_use_it(
    forest: Path, file: str, old: str, new: str, whose: set[str]
) -> None:
    assert len(set(digests().values())) == len(BUILDERS)
    assert changed(forest, file, old, new) == whose


def test_a_constant_from_the_front_door_counts(forest: Path) -> None:
    (forest / "oak.py").write_text("from . import LEAVES\nclass Oak:\n    leaves = LEAVES\n")
    assert "oak" in changed(forest, "__init__.py", "LEAVES = 3", "LEAVES = 33")


def test_bound_arguments_count(forest: Path) -> None:
    front = import_module("dlbench_forest")
    small, large = source_digest(partial(front.build_pine, depth=1)), source_digest(partial(front.build_pine, depth=2))
    assert small == source_digest(front.PINE_SMALL)
    assert small != large
    assert source_digest(partial(partial(front.build_pine, depth=1), depth=2)) == large


def test_a_file_given_by_path_is_read_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    text = "WIDTH = 3\n\ndef build(s):\n    return Net(WIDTH)\n\ndef other(s):\n    return 1\n\nclass Net:\n    pass\n"
    file.write_text(text)
    module = import_source(str(file))
    before = source_digest(module.build), source_digest(module.other), source_digest(module.Net)
    file.write_text(text.replace("    pass", "    pass  # for now"))
    after = source_digest(module.build), source_digest(module.other), source_digest(module.Net)
    assert [a != b for a, b in zip(before, after, strict=True)] == [True, False, True]


@pytest.mark.parametrize("change", ["WIDTHS['b'] = 2", "WIDTHS.update(b=2)", "WIDTHS |= {'b': 2}", "WIDTHS = {}"])
def test_what_changes_a_constant_afterwards_counts(tmp_path: Path, change: str) -> None:
    file = tmp_path / "widths.py"
    text = "WIDTHS = {'a': 1}\nif True:\n    SWAP\n\ndef build(s):\n    return WIDTHS\n\ndef other(s):\n    return 1\n"
    file.write_text(text.replace("SWAP", change))
    module = import_source(str(file))
    before = source_digest(module.build), source_digest(module.other)
    for edited in (text.replace("SWAP", "pass"), text.replace("SWAP", change).replace("'a': 1", "'a': 111")):
        file.write_text(edited)
        assert source_digest(module.build) != before[0]
        assert source_digest(module.other) == before[1]


def test_a_function_in_a_function_and_a_lambda_have_a_digest_that_follows_the_file(tmp_path: Path) -> None:
    file = tmp_path / "made.py"
    text = (
        "def make(n):\n    def build(s):\n        return n\n    return build\n\nbuild = make(1)\nlater = lambda s: 1\n"
    )
    file.write_text(text)
    module = import_source(str(file))
    before = source_digest(module.build), source_digest(module.later)
    file.write_text(text.replace("return n", "return n + 10"))
    assert source_digest(module.build) != before[0]
    assert source_digest(module.later) != before[1]


def test_built_in_siblings_differ_and_repeat() -> None:
    models = catalog().specs["models"]
    found = {name: source_digest(spec.build) for name, spec in models.items()}
    assert len(set(found.values())) == len(found)
    assert found == {name: source_digest(spec.build) for name, spec in models.items()}


PARTS = "WIDTH = 4\n"
ESCAPES = {
    "a sibling file": ("from parts import WIDTH\ndef build(s):\n    return WIDTH\n", "parts.py", PARTS),
    "a star import": ("from parts import *\ndef build(s):\n    return WIDTH\n", "parts.py", PARTS),
    "another package": ("def build(s):\n    from helpers.parts import WIDTH\n", "helpers/parts.py", PARTS),
    "a base class elsewhere": (
        "from helpers import Base\nclass Mine(Base):\n    pass\ndef build(s):\n    return Mine()\n",
        "helpers/__init__.py", "class Base:\n    width = 4\n",
    ),
    "a data file beside it": ("def build(s):\n    return open('setup.json').read()\n", "setup.json", "4"),
    "a definition under if": (
        "if True:\n    def act():\n        return 4\ndef build(s):\n    return act()\n", "mine.py", None,
    ),
    "a definition under try": (
        "try:\n    import nothing_of_this_name\nexcept ImportError:\n    def act():\n        return 4\n"
        "def build(s):\n    return act()\n", "mine.py", None,
    ),
    "setattr": (
        "class Net:\n    pass\nsetattr(Net, 'width', 4)\ndef build(s):\n    return Net.width\n", "mine.py", None,
    ),
    "an encoding of its own": (
        "# -*- coding: latin-1 -*-\n# Gr\xfc\xdfe\ndef build(s):\n    return 4\n", "mine.py", None,
    ),
    "a byte order mark": ("\ufeffdef build(s):\n    return 4\n", "mine.py", None),
    "form feeds": ("\x0cX = 1\n\x0c\ndef build(s):\n    return 4\n", "mine.py", None),
}  # fmt: skip


@pytest.mark.parametrize("case", ESCAPES)
def test_what_a_program_reaches_counts(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, file, content = ESCAPES[case]
    encoding = "latin-1" if "latin" in text else "utf-8"
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "__init__.py").write_text("")
    (tmp_path / "mine.py").write_text(text, encoding=encoding)
    if content is not None:
        (tmp_path / file).write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("parts", "helpers")]:
        monkeypatch.delitem(sys.modules, name)
    module = import_source(str(tmp_path / "mine.py"))
    before = source_digest(module.build)
    (tmp_path / file).write_text((content or text).replace("4", "64"), encoding=encoding)
    assert source_digest(module.build) != before


class Builder:
    """A callable object."""

    def __init__(self, width: int) -> None:
        self.width = width

    def __call__(self, signature: Any) -> int:
        return self.width

    def method(self, signature: Any) -> int:
        return self.width


def made(width: Any) -> Callable[..., Any]:
    return lambda signature: width


def defaulted(width: int) -> Callable[..., Any]:
    def build(signature: Any, *, wide: int = width) -> int:
        return wide

    return build


@pytest.mark.parametrize("make", [Builder, made, defaulted, lambda w: made([made(w)]), lambda w: Builder(w).method])
def test_what_a_builder_carries_with_it_counts(make: Callable[[int], Any]) -> None:
    assert source_digest(make(4)) == source_digest(make(4))
    assert source_digest(make(4)) != source_digest(make(64))


TASK = TaskSpec(
    name="t", input_kind=Vector, output_kind=Classes, load=made(1), unit="x", floor=0.5, folds=2, monitor="loss",
    metric=Metric(name="accuracy"), metrics=(Metric(name="loss", unit="nats", higher_is_better=False),),
)  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [{"monitor": ""}, {"folds": 3}, {"metric": Metric(name="loss")}, {"version": "9"}, {"metrics": ()},
     {"flags": ("optimistic",)}, {"folds": made(2)}, {"bound": 0.9}, {"load": made(2)}],
)  # fmt: skip
def test_every_field_that_acts_counts(change: dict[str, Any]) -> None:
    assert made_of(replace(TASK, **change)).digest != made_of(TASK).digest


@pytest.mark.parametrize("change", [{"description": "other"}, {"recipe": {"lr": 1}}, {"heavy": True}])
def test_fields_that_only_describe_do_not_count(change: dict[str, Any]) -> None:
    assert made_of(replace(TASK, **change)).digest == made_of(TASK).digest


def test_an_optimizers_closure_counts() -> None:
    spec = OptimizerSpec(name="o", build=made(1))
    assert made_of(replace(spec, closure=True)).digest != made_of(spec).digest


def test_installed_packages_are_needed_by_name_and_readers_of_another_plugin_by_text() -> None:
    specs = catalog().specs
    assert "timm" in made_of(specs["models"]["timm:*"]).needs
    assert "sklearn" in made_of(specs["tasks"]["digits"]).needs
    rows = made_of(specs["tasks"]["digits_rows"]).files
    assert any(file.parent.name == "dlbench_vision" for file in rows)
    assert not any("site-packages" in file.parts for file in rows)


def test_where_the_core_keeps_its_own_names_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = made_of(TASK).digest
    for kind in (Vector, Classes, Metric):
        monkeypatch.setattr(kind, "__module__", "dlbench.some.other.room")
    assert made_of(TASK).digest == before
    monkeypatch.setattr(Vector, "__module__", "another.package")
    assert made_of(TASK).digest != before
