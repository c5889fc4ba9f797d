"""docs/trackers.md: its command is one of `dlbench run`, and it names every tracker with its extra and folder."""

from __future__ import annotations

import re
import tomllib

from docpages import REPOSITORY, dlbench_commands

import dlbench_track
from dlbench.cli import run

PAGE = REPOSITORY / "docs" / "trackers.md"


def test_every_tracker_stands_with_its_extra_and_its_folder() -> None:
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = [spec.name for spec in dlbench_track.dlbench_trackers()]
    rows = re.findall(
        r"^\| `(\w+)` \| `pip install 'dlbench\[(\w+)\]'` \| `RESULTS/(\w+)/", PAGE.read_text(), re.MULTILINE
    )
    assert rows == [(name, name, name) for name in names]
    assert {*names} <= {*extras}


def test_its_commands_are_there() -> None:
    first, second = dlbench_commands(PAGE)
    known = {option for parameter in run.command.params for option in parameter.opts}
    assert {word for word in first if word.startswith("--")} <= known
    assert first[first.index("--track") + 1] == "tensorboard"
    assert second == ["list", "trackers"]
