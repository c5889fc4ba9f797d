"""docs/own-data.md: each plugin is at most 17 lines, takes files of its kind, trains, and passes the check."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docpages import REPOSITORY, blocks, dlbench_commands
from PIL import Image

from dlbench.cli import run
from dlbench.execute.run import Limits, Runner
from dlbench.plan.catalog import discover
from dlbench.plan.plan import Plan, plan
from dlbench.results import Results
from dlbench.testing import check_plugin, report

PAGE = REPOSITORY / "docs" / "own-data.md"
FILES = [block for block in blocks(PAGE) if block.title]
COMMANDS = [words for words in dlbench_commands(PAGE) if words[0] == "run"]
RUNS = {Path(words[2]).stem: words for words in COMMANDS if words[1] == "-p"}
MOST_LINES = 17
QUICKLY = ["--no-profile", "--set", "budget.epochs=1", "--device", "cpu", "--seeds", "1"]
pytestmark = pytest.mark.slow


class Quiet:
    """A display that shows nothing."""

    def begins(self, *_: Any) -> None: ...
    def started(self, *_: Any) -> None: ...
    def progress(self, *_: Any) -> None: ...
    def finished(self, *_: Any) -> None: ...
    def skipped(self, *_: Any) -> None: ...


def entities(root: Path, random: np.random.RandomState) -> None:
    for split, count in {"train": 30, "dev": 10, "test": 10}.items():
        lines = ["-DOCSTART- -X- O", ""]
        for _ in range(count):
            for word in random.choice(["Ada", "met", "in", "Rome", "today"], 5):
                lines.append(f"{word} X {'B-PER' if word == 'Ada' else 'B-LOC' if word == 'Rome' else 'O'}")
            lines.append("")
        _write(root / "entities" / f"{split}.txt", lines)


def pos(root: Path, random: np.random.RandomState) -> None:
    kinds = {"dog": "NOUN", "cat": "NOUN", "runs": "VERB", "small": "ADJ"}
    for split, count in {"train": 30, "val": 10, "test": 10}.items():
        lines = []
        for number in range(count):
            lines.append(f"# sent_id = {number}")
            for place, word in enumerate(random.choice([*kinds], 4), start=1):
                lines.append("\t".join([str(place), word, word, kinds[word], *"____", "_", "_"]))
            lines.append("")
        _write(root / "treebank" / f"{split}.conllu", lines)


def reviews(root: Path, random: np.random.RandomState) -> None:
    words = {"good": ["fine", "lovely", "film"], "bad": ["dull", "poor", "film"]}
    _write(root / "reviews.tsv", [f"{c}\t{' '.join(random.choice(words[c], 4))}" for c in ["good", "bad"] * 40])


def shapes(root: Path, random: np.random.RandomState) -> None:
    for name in ("bars", "dots"):
        (root / "shapes" / name).mkdir(parents=True)
        for number in range(40):
            pixels = random.randint(0, 80, (20, 24, 3)).astype(np.uint8)
            pixels[:: 4 if name == "bars" else 1, :: 1 if name == "bars" else 4] = 220
            Image.fromarray(pixels).save(root / "shapes" / name / f"{number}.png")


def houses(root: Path, random: np.random.RandomState) -> None:
    lines = ["id,area,place,garden,price"]
    for number in range(80):
        area, place = random.randint(30, 200), random.choice(["north", "south"])
        garden = "" if number % 7 == 0 else random.randint(0, 50)
        lines.append(f"{number},{area},{place},{garden},{1000 * area + 5000 * (place == 'south')}")
    _write(root / "houses.csv", lines)


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


MAKERS: dict[str, Callable[[Path, np.random.RandomState], None]] = {
    "entities": entities, "pos": pos, "reviews": reviews, "shapes": shapes, "houses": houses,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    here = tmp_path_factory.mktemp("own")
    for block in FILES:
        (here / str(block.title)).write_text(block.text)
    for number, make in enumerate(MAKERS.values()):
        make(here / "data", np.random.RandomState(number))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setenv("DLBENCH_DATA", str(here / "data"))
        patch.setenv("DLBENCH_CACHE", str(here / "cache"))
        yield here


def test_five_kinds_of_sets_come_in_with_a_plugin_of_a_few_lines() -> None:
    assert {Path(str(block.title)).stem for block in FILES} == MAKERS.keys() == RUNS.keys()
    assert [b.title for b in FILES if len(b.text.splitlines()) > MOST_LINES] == []


def test_each_runs_by_the_command_below_it_and_no_file_is_read_unseen(folder: Path) -> None:
    made = []
    extra = discover([f"{name}.py" for name in RUNS])
    assert extra.problems == {}
    assert len(COMMANDS) == len(RUNS) + 1  # a folder of pictures needs no plugin
    for words in COMMANDS:
        given = run.command.make_context("dlbench run", [*words[1:], *QUICKLY]).params
        planned = plan(discover(given["plugins"]), run.request_of(discover(given["plugins"]), given))
        assert planned.skips == []
        assert len(planned.cells) >= 2
        made += planned.cells
    runner = Runner(
        catalog=extra, results=Results(folder / "runs"), display=Quiet(), limits=Limits(timeout_s=120),
        data_root=folder / "data", cache=folder / "cache", command="test",
    )  # fmt: skip
    for record in runner.run(Plan(cells=made)):
        assert (record.status, record["reason"]) == ("ok", ""), record.name
        assert record["task"]["floor"] is None
        assert record["inputs"], record.name  # a changed file makes the record stale


@pytest.mark.parametrize("name", MAKERS)
def test_each_passes_the_check(name: str, folder: Path) -> None:
    findings = check_plugin(f"{name}.py")
    assert len(findings) > 10
    assert all(finding.ok for finding in findings), report(findings)
    assert any("none is declared, so tables take its row" in finding.seen for finding in findings)


def test_the_table_of_readers_names_what_can_be_imported() -> None:
    names = re.findall(r"^\| `(dlbench[\w.]+)\.(\w+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    assert len(names) == 11
    for module, function in names:
        assert getattr(importlib.import_module(module), function).__doc__, function
