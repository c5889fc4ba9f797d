"""The tables of README come from the published CSVs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from docpages import REPOSITORY

from dlbench.tables import leaderboard
from dlbench.tables.rendering import render, score_text, short

GALLERY = (REPOSITORY / "docs" / "gallery.md").read_text(encoding="utf-8")
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
CSVS = sorted((REPOSITORY / "results").glob("*/*/metrics.csv"))
CORA = {"mlp (no edges)": "mlp"}
FIGURE = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+|(?=,|$| \())")


def rows(file: Path) -> list[dict[str, Any]]:
    return leaderboard.read_csv(file).to_dict("records")


def table_after(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its two first lines."""
    lines = README.split(f"## {heading}\n", 1)[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    body = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        body.append([cell.strip() for cell in line.strip("|").split("|")])
    return body


MARKED = [
    (README, "quick-table", "quick"), (README, "vision-table", "vision-small"),
    (GALLERY, "generative-table", "generative"),
]  # fmt: skip


@pytest.mark.parametrize(("page", "mark", "suite"), MARKED, ids=[mark for _, mark, _ in MARKED])
def test_a_marked_table_is_what_the_published_records_print(page: str, mark: str, suite: str) -> None:
    (folder,) = (REPOSITORY / "results" / suite).iterdir()
    printed = render(leaderboard.read_csv(folder / "leaderboard.csv"), "md")
    tables = [line for line in printed.splitlines() if line.startswith("|")]
    shown = page.split(f"<!-- {mark} -->", 1)[1].split("<!-- end -->", 1)[0]
    assert [line for line in shown.splitlines() if line.startswith("|")] == tables


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
