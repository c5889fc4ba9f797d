"""docs/aggregates.md: its commands run on the published records and print what it shows; every column is named."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner
from docpages import REPOSITORY, blocks, dlbench_commands

from dlbench.cli import group
from dlbench.tables.standings import BENCHEVAL, COLUMNS, RUNTIME

PAGE = REPOSITORY / "docs" / "aggregates.md"
COMMANDS = [words for words in dlbench_commands(PAGE) if words[1].startswith("results/")]


def printed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "110")
    done = CliRunner().invoke(group, [words[0], str(REPOSITORY / words[1]), *words[2:]])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_runs(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(printed(words, monkeypatch).splitlines()) > 5


def test_the_table_on_the_page_is_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(COMMANDS) == 3
    shown = next(block.text for block in blocks(PAGE) if block.language == "text")
    assert printed(COMMANDS[0], monkeypatch).startswith(shown)


def test_every_column_is_explained() -> None:
    named = set(re.findall(r"`([\w.]+)`", PAGE.read_text()))
    ends = {f"{name}_{end}" for name in ("elo", "mean_rank", "iqm") for end in ("low", "high")}
    thresholds = {name for name in COLUMNS if name.startswith("above_")}
    assert {*COLUMNS} - ends - thresholds - {*RUNTIME, "suite", "name"} <= named
    assert {*BENCHEVAL} - {*RUNTIME, "suite"} <= named
