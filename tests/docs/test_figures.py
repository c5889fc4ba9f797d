"""The tables of README and of pages come from the published records."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from docpages import REPOSITORY, load

from dlbench.tables import leaderboard
from dlbench.tables.rendering import score_text, short

GALLERY = (REPOSITORY / "docs" / "gallery.md").read_text(encoding="utf-8")
FINDINGS = (REPOSITORY / "docs" / "findings.md").read_text(encoding="utf-8")
CSVS = sorted((REPOSITORY / "results").glob("*/*/metrics.csv"))
MARK = re.compile(r"<!-- ((?:table|own tests) \S+) -->")
CORA = {"mlp (no edges)": "mlp"}
FIGURE = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+|(?=,|$| \())")


def rows(file: Path) -> list[dict[str, Any]]:
    return leaderboard.read_csv(file).to_dict("records")


def table_after(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its two first lines."""
    lines = FINDINGS.split(f"## {heading}\n", 1)[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    body = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        body.append([cell.strip() for cell in line.strip("|").split("|")])
    return body


TABLES = load("tables")
PLACES = [(page, *place) for page in TABLES.pages() for place in TABLES.places(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", {page: None for page, *_ in PLACES}, ids=lambda page: page.name)
def test_each_table_is_what_the_published_records_print(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert TABLES.filled(text) == text, "run: python docs/tables.py"


def test_every_place_is_known_and_has_a_table() -> None:
    marks = [mark for page in TABLES.pages() for mark in MARK.findall(page.read_text(encoding="utf-8"))]
    assert sorted(marks) == sorted(f"{what} {suite}" for _, what, suite in PLACES)
    assert {"table quick", "table vision-small", "table generative"} <= set(marks)
    for _, _, suite in PLACES:
        assert (REPOSITORY / "results" / suite).is_dir(), suite


def test_a_changed_table_is_put_right_and_the_sentence_before_it_stays() -> None:
    text = "before\n\n<!-- table quick -->\nA sentence.\n\n| old |\n<!-- end -->\nafter\n"
    found = TABLES.filled(text)
    assert found.startswith("before\n\n<!-- table quick -->\nA sentence.\n\n**quick ·")
    assert found.endswith("|\n<!-- end -->\nafter\n")
    assert "| old |" not in found
    unknown = text.replace("quick", "no-such-suite")
    assert TABLES.filled(unknown) == unknown


def test_the_gallery_shows_each_published_picture_once() -> None:
    (folder,) = (REPOSITORY / "results" / "generative").iterdir()
    shown = re.findall(r"\(\.\./results/generative/[^/]+/pictures/([^)]+)\)", GALLERY)
    assert sorted(shown) == sorted(path.name for path in (folder / "pictures").iterdir())


def test_the_table_of_cora_is_the_published_one() -> None:
    (folder,) = (REPOSITORY / "results" / "citation").iterdir()
    known = {
        row["model"]: [score_text(row), row["rank"], short(row["params"])]
        for row in rows(folder / "leaderboard.csv")
        if row["task"] == "cora"
    }
    shown = {CORA.get(model, model): cells for model, *cells in table_after("Graphs")}
    assert shown == known


def test_the_figures_of_the_readme_in_short_stand_in_the_findings() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    figures = re.findall(r"\d+\.\d+", readme.partition("\n## Results\n")[2].partition("\n## ")[0])
    assert len(figures) >= 5
    assert [text for text in figures if f" {text} " not in FINDINGS.replace(",", " ")] == []


@pytest.mark.parametrize(("task", "metric", "cell"), table_after("Text and speech"), ids=lambda text: text[:30])
def test_each_figure_of_text_and_speech_is_a_published_mean(task: str, metric: str, cell: str) -> None:
    name = re.search(r"`([^`]+)`", task)
    assert name is not None
    means = [
        row["mean"] * (100 if row["unit"] == "fraction" else 1)
        for file in CSVS
        for row in rows(file)
        if row["task"].split("[")[0] == name[1].split("[")[0] and row["split"] == "test"
    ]
    figures = FIGURE.findall(cell)
    assert figures
    for text in figures:
        digits = len(text.partition(".")[2])
        assert any(f"{mean:.{digits}f}" == text for mean in means), f"{text} is no mean of {name[1]}"
