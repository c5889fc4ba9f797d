"""Digests of sources: an edit changes what depends on it, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dlbench.catalog import import_source
from dlbench.digest import source_digest
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
    import sys

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
