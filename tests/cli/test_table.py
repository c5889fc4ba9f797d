"""`dlbench table`: which rows and columns it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from terminal import Done, dlbench

from dlbench.results import Record, Results
from factories import cells, launch, profile


def folder(root: Path, records: list[Record], suite: str = "quick") -> Path:
    """A results folder with these records."""
    results = Results(root)
    for i, record in enumerate(records):
        square = json.dumps({"i": i, "variant": record["variant"]})
        results.save(Record({**record.body, "square": square}))
        results.assign(suite, {square: record.name})
    return root


@pytest.fixture
def results(tmp_path: Path) -> Path:
    records = []
    for name, mean, params in (("big", 0.95, 2_000_000), ("small", 0.9, 200_000), ("bad", 0.8, 300_000)):
        who = {"name": name, "digest": name}
        records += [*cells([mean, mean + 0.001, mean - 0.001], model=who, params=params)]
        records.append(profile([launch(0.001)] * 3, model=who))
    return folder(tmp_path / "runs", records)


def names(done: Done) -> list[str]:
    assert done.code == 0, done.err
    return [row["model"] for row in json.loads(done.out)]


def test_rows_by_filter_front_and_order(results: Path) -> None:
    table = ("table", results, "--format", "json")
    assert names(dlbench(*table)) == ["big", "small", "bad"]
    assert names(dlbench(*table, "--where", "size_mb < 1.5MB")) == ["small", "bad"]
    assert names(dlbench(*table, "--where", "params < 1M", "--sort", "size_mb")) == ["small", "bad"]
    assert names(dlbench(*table, "--front", "size_mb")) == ["big", "small"]
    both = dlbench(*table, "--front", "size_mb", "--where", "params < 1M")
    assert names(both) == ["small"]
    assert "1 of 3 rows" in both.err


def test_columns_in_the_order_in_which_they_are_named(results: Path) -> None:
    done = dlbench("table", results, "--columns", "size_mb,model,treatment", "--format", "csv", "--sort", "size_mb")
    assert done.out == "size_mb,model,treatment\n0.8,small,\n1.2,bad,\n8,big,\n"


def test_the_width_is_what_was_asked_for(results: Path) -> None:
    lines = {width: dlbench("table", results, "--width", width).out.splitlines() for width in (60, 200)}
    assert max(map(len, lines[60])) <= 60 < max(map(len, lines[200]))
    assert any("Left out where 60 columns are too few" in line for line in lines[60])


def test_a_leaderboard_in_latex(results: Path) -> None:
    done = dlbench("table", results, "--format", "latex", "--where", "model ~ 'b*'")
    assert done.code == 0
    assert done.out.count(r" \\") == 3
    assert r"\toprule" in done.out


def test_without_a_row_nothing_is_printed_and_that_is_said(results: Path) -> None:
    for format_ in ("terminal", "md", "latex"):
        done = dlbench("table", results, "--where", "params < 1", "--format", format_)
        assert (done.code, done.out) == (0, "")
        assert "0 of 3 rows" in done.err
    assert json.loads(dlbench("table", results, "--where", "params < 1", "--format", "json").out) == []


def test_notes_are_those_of_the_rows_that_are_shown(tmp_path: Path) -> None:
    bad = cells([0.5], model={"name": "broken"}, status="ok")
    failed = [Record({**bad[0].body, "status": "failed", "reason": "no luck", "metrics": {}})]
    root = folder(tmp_path / "r", [*cells([0.9, 0.8, 0.7]), *failed])
    assert "no luck" in dlbench("table", root).out
    assert "no luck" not in dlbench("table", root, "--where", "model = 'mlp'").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "parms < 1"], "at position 1: there is no column 'parms'; did you mean 'params'?"),
        (["--where", "params < 1 or"], "at position 14"),
        (["--columns", "modle"], "did you mean 'model'?"),
        (["--front", "model"], "--front takes a column of figures"),
        (["--front", "sizemb"], "did you mean 'size_mb'?"),
        (["--sort", "sizemb"], "did you mean 'size_mb'?"),
        (["--width", "3"], "not in the range"),
        (["--against", "length", "--where", "params < 1"], "without --where"),
    ],
)
def test_wrong_words(words: list[str], said: str, results: Path) -> None:
    done = dlbench("table", results, *words)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert done.out == ""
