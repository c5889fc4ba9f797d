"""dlbench.tables.rendering on leaderboards of synthetic records."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from dlbench.errors import UsageError
from dlbench.results import Record
from dlbench.tables import leaderboard
from dlbench.tables.leaderboard import COLUMNS, read_csv, render, write_csv
from factories import PERPLEXITY, cell, cells, launch, profile

GOOD, POOR = [0.95, 0.952, 0.948], [0.801, 0.802, 0.803]


def table_records() -> list[Record]:
    return [
        *cells(GOOD, model={"name": "gat", "options": "heads=4"}),
        *cells([82.31, 81.5, 83.2], task={"name": "ptb", "metric": PERPLEXITY, "floor": 700.0}),
        cell(status="oom", model={"name": "big"}, reason="it needed 9.1 GiB", where="big.py:7 in forward"),
        profile(model={"name": "gat", "options": "heads=4"}),
    ]


def test_terminal_table_shows_what_a_reader_needs_in_120_columns():
    by_suite = {"quick": table_records()}
    text = render(leaderboard.rows(by_suite), notes=leaderboard.notes(by_suite), width=120)
    table, _, notes = text.partition("digits x big")
    assert max(map(len, text.splitlines())) <= 120
    for shown in ("95.0 ± 0.5 %", "gat[heads=4]", "perplexity ↓", "82.34 ± 2.11", "128k", "oom 1/1", "provisional"):
        assert shown in table, shown
    assert "quick · cpu fp32 1 thread · epyc-2c · torch 2.15.0" in table
    note = " ".join(notes.split())
    assert note.startswith(", seed 0: oom: it needed 9.1 GiB (at big.py:7 in forward); log: logs/digits--big--s0--")
    assert "\x1b" not in text


def test_notes_name_each_reason_once():
    records = [
        cell(float("nan"), seed=0), *(cell(seed=i, status="oom", reason="too big") for i in (1, 2)),
        cell(seed=3, status="no_data", reason="files are missing"), profile(status="oom", reason="too big"),
    ]  # fmt: skip
    first, second, third = leaderboard.notes({"quick": records})
    assert first.startswith("digits x mlp, seed 0: failed: its metric is not a finite number; log: logs/")
    assert second.startswith("digits x mlp, seed 1, 2 and profile: oom: too big; log: logs/digits--mlp--s1--")
    assert third == "digits x mlp, seed 3: no_data: files are missing"
    assert leaderboard.notes({"quick": cells(GOOD)}) == []


def test_fold_sd_and_missing_scores_are_shown():
    folds = [{"test": {"accuracy": v}} for v in (0.7, 0.8, 0.9)]
    assert "80.0 % (fold sd 10.0)" in render(leaderboard.rows({"quick": [cell(0.8, fold_metrics=folds)]}))


def test_markdown_and_json():
    by_suite = {"quick": table_records()}
    frame = leaderboard.rows(by_suite)
    text = render(frame, "md", notes=["a note"])
    assert text.count("\n| ") == 4
    assert "| digits | accuracy | gat[heads=4] | 95.0 ± 0.5 % | 1 |" in text
    assert text.endswith("\n- a note\n")
    first = json.loads(render(frame, "json"))[0]
    assert (first["model"], first["rank"], first["energy_j_per_example"]) == ("gat", "1", None)
    assert tuple(first) == COLUMNS


def test_an_interval_shows_both_ends_where_its_sides_differ():
    records = [
        *cells([0.9944, 0.9278, 0.9389], model={"name": "skewed"}), *cells(GOOD, model={"name": "even"}),
        *cells([1.0, 1.0, 1.0], model={"name": "sure"}), *cells([0.1135, 0.1135, 0.1136], model={"name": "sharp"}),
    ]  # fmt: skip
    text = render(leaderboard.rows({"quick": records}), "md")
    for shown in ("| 95.4 [73.5, 99.4] % |", "| 95.0 ± 0.5 % |", "| 100.00 ± 0.00 % |", "| 11.35 ± 0.01 % |"):
        assert shown in text, text


def test_sort_by_a_column():
    records = [
        *cells(GOOD, model={"name": "slow"}), profile([launch(0.01)] * 3, model={"name": "slow"}),
        *cells(POOR, model={"name": "fast"}), profile([launch(0.001)] * 3, model={"name": "fast"}),
        *cells(POOR, model={"name": "unknown"}),
    ]  # fmt: skip
    frame = leaderboard.rows({"quick": records})

    def order(column: str) -> list[str]:
        return [entry["model"] for entry in json.loads(render(frame, "json", sort=column))]

    assert order("train_examples_per_s") == ["fast", "slow", "unknown"]
    assert order("mean") == ["slow", "fast", "unknown"]
    assert order("model") == ["fast", "slow", "unknown"]
    assert order("rank") == ["slow", "fast", "unknown"]


def test_sort_by_rank_goes_by_number():
    frame = leaderboard.rows({"quick": [cell(0.9, model={"name": name}) for name in "abcde"]})
    frame["rank"] = ["10", "", "2-3", "2", "1-12"]
    assert [r["rank"] for r in json.loads(render(frame, "json", sort="rank"))] == ["1-12", "2", "2-3", "10", ""]


def test_wrong_names_are_answered_with_the_nearest():
    frame = leaderboard.rows({"quick": cells(GOOD)})
    with pytest.raises(UsageError, match="did you mean 'params'"):
        render(frame, sort="param")
    with pytest.raises(UsageError, match="terminal"):
        render(frame, "termnal")


def test_an_empty_leaderboard_renders():
    for format in ("terminal", "csv", "md", "json"):
        assert isinstance(render(leaderboard.rows({}), format), str)


@pytest.mark.parametrize("text", ["=1+1", "+1", "@x", "-2+cmd|' /C calc'!A0", "\t=1"])
def test_no_text_of_a_csv_is_a_formula(tmp_path: Path, text: str) -> None:
    frame = leaderboard.rows({"quick": cells([0.9, 0.8], variant=text, model={"family": text})})
    write_csv(frame, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["variant"], row["family"]) == (f"'{text}", f"'{text}")
    assert row["mean"][0] != "'"
    pd.testing.assert_frame_equal(read_csv(tmp_path / "a.csv"), frame, rtol=1e-5)
