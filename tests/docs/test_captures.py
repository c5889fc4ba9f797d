"""docs/terminal.md is what docs/captures.py writes, and fits the terminals that it shows."""

from __future__ import annotations

import re
from types import ModuleType

import pytest
from docpages import DOCS, blocks, load

from dlbench.tables.layout import BREAKS


@pytest.fixture(scope="module")
def captures() -> ModuleType:
    return load("captures")


def words(text: str) -> set[str]:
    """The pieces that must stay whole, without the line that only a narrow table has."""
    kept = re.sub(r"^Left out where(.*\n  )*.*\n", "", text.replace(">[", "["), flags=re.MULTILINE)
    return {piece.strip(" ,:") for line in kept.splitlines() for piece in BREAKS.split(line)} - {""}


def test_the_page_is_up_to_date(captures: ModuleType) -> None:
    assert (DOCS / "terminal.md").read_text(encoding="utf-8") == captures.page(), "run: python docs/captures.py"


def test_no_line_is_wider_than_its_terminal(captures: ModuleType) -> None:
    shown = [block.text for block in blocks(DOCS / "terminal.md")]
    assert captures.WIDTHS == (80, 100, 120)
    for width, text in zip(captures.WIDTHS, shown, strict=True):
        assert max(map(len, text.splitlines())) <= width
        assert len(text.splitlines()) > 40


def test_no_word_is_broken(captures: ModuleType) -> None:
    whole = words(captures.capture(400))
    for width in captures.WIDTHS:
        rules = {word for word in words(captures.capture(width)) if set(word) == {"─"}}
        assert words(captures.capture(width)) - rules <= whole


def test_a_capture_shows_the_run_the_marks_and_the_end(captures: ModuleType) -> None:
    text = captures.capture(80)
    for shown in ("loading data and model", "validation accuracy", " left (run: ", "test accuracy", "process 2 of 3",
                  "provisional: ", "Next:", "leaderboard.csv"):  # fmt: skip
        assert shown in text, shown
