"""What is published: its folders, the tables that show all of them, and the commands of the page about it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from docpages import DOCS, REPOSITORY, dlbench_commands, load

from dlbench.cli.again import asked
from dlbench.integrity import SUMS, read_sums
from dlbench.results import load_by_suite, write_text
from dlbench.tables import leaderboard
from dlbench.tables.provenance import mixtures, provenance
from dlbench.tables.publishing import publish
from dlbench.tables.rendering import render
from factories import cells

PAGE = DOCS / "publishing.md"
FOLDERS = sorted(path.parent for path in (REPOSITORY / "results").glob("*/*/records"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_a_published_folder_is_whole_and_its_tables_and_provenance_are_those_of_its_records(folder: Path) -> None:
    found = load_by_suite(folder)
    assert found.problems == []
    records = [record for mine in found.values() for record in mine]
    assert len(read_sums(folder)[0] or ()) == len(records) > 0
    assert mixtures(records) == []
    assert (folder / "leaderboard.csv").read_text() == render(leaderboard.rows(found), "csv"), "dlbench publish results"
    assert (folder / "metrics.csv").read_text() == render(leaderboard.metrics(found), "csv")
    assert load_json(folder / "PROVENANCE.json") == provenance(records)
    assert not re.search(r"/(?:home|Users|root|tmp|work)/", (folder / "PROVENANCE.json").read_text())


def load_json(path: Path) -> object:
    import json

    return json.loads(path.read_text())


@pytest.mark.parametrize("page", ["README.md", "results/README.md"])
def test_every_leaderboard_is_shown_once(page: str) -> None:
    """That the block is today's is held by the tests of the pages' tables and of generated pages."""
    text = (REPOSITORY / page).read_text()
    block = text.partition("| leaderboard |")[2].partition("\n\n")[0].partition("<!-- end -->")[0]
    base = "results/" if page == "README.md" else ""
    shown = re.findall(r"^\| \[(\S+)\]\((\S+)\) \|", block, flags=re.MULTILINE)
    names = [f"{folder.parent.name}/{folder.name}" for folder in FOLDERS]
    assert shown == [(name, base + name) for name in names]


def test_a_block_that_is_not_today_s_is_put_right(tmp_path: Path) -> None:
    tables, published = load("tables"), load("published")
    rows = cells([0.5, 0.6, 0.7], model={"digest": "old"})
    other = cells([0.2, 0.3, 0.4], variant="a|b", task={"name": "other"}, created="2027-01-01T00:00:00Z")
    (folder,) = publish({"quick": [*rows, *other]}, tmp_path)
    makings = published.Makings(load("generate").built_in())
    (line,) = published.table(tmp_path, makings, "x/").splitlines()[2:]
    score = "accuracy 60.0 [35.0, 80.7] %"
    assert line.startswith("| [quick/epyc-2c](x/quick/epyc-2c) | 2 | digits: mlp, ")
    assert "<br>other: mlp, accuracy 30.0 " in line, score
    assert line.endswith("| 2026-01-01 to 2027-01-01 | - | no |")
    text = "before\n\n<!-- published -->\n\n| old |\n<!-- end -->\nafter\n"
    filled = tables.filled(text)
    assert filled.startswith("before\n\n<!-- published -->\n\n| leaderboard |")
    assert filled.endswith("|\n<!-- end -->\nafter\n")
    assert "| old |" not in filled
    assert tables.filled(filled) == filled
    assert folder.is_dir()


def test_the_page_names_every_file_of_a_folder_and_its_commands_name_rows_that_are_there(tmp_path: Path) -> None:
    text = PAGE.read_text()
    (folder,) = publish({"quick": cells([0.5])}, tmp_path)
    for path in folder.iterdir():
        assert f"`{path.name}" in text
    named = [words[1] for words in dlbench_commands(PAGE) if words[0] == "reproduce"]
    assert len(named) >= 4
    for what in named:
        assert all(row.records and not row.refused for row in asked(str(REPOSITORY / what))), what
    (shown,) = re.findall(r"^row 2: digits x vit_tiny.*$", text, flags=re.MULTILINE)
    (row,) = asked(str(REPOSITORY / "results/quick/amd-epyc-2c/leaderboard.csv:2"))
    low, high = row.interval or (0.0, 0.0)
    assert row.title in shown
    assert f"{low:.6g} to {high:.6g}" in shown


def test_two_branches_that_published_are_joined_as_the_page_says(tmp_path: Path) -> None:
    base, ours, theirs = (tmp_path / name for name in ("base", "ours", "theirs"))
    publish({"quick": cells([0.5, 0.6])}, base)
    for branch, model in ((ours, "gpt"), (theirs, "gru")):
        shutil.copytree(base, branch)
        publish({"quick": cells([0.7, 0.8], model={"name": model})}, branch)
    (a, b) = (branch / "quick" / "epyc-2c" for branch in (ours, theirs))
    for path in (b / "records").iterdir():
        shutil.copyfile(path, a / "records" / path.name)
    write_text(a / SUMS, "".join(dict.fromkeys(((a / SUMS).read_text() + (b / SUMS).read_text()).splitlines(True))))
    publish(load_by_suite(ours), ours)
    assert load_by_suite(a).problems == []
    assert list(leaderboard.read_csv(a / "leaderboard.csv")["model"]) == ["gpt", "gru", "mlp"]
