"""Recipes that are compared: rows of one table, told apart by their treatment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dlbench.results import Record, Results
from dlbench.tables import leaderboard
from dlbench.tables.groups import groups
from dlbench.tables.leaderboard import COLUMNS, METRIC_COLUMNS, read_csv, render, write_csv
from factories import cells, profile


def under(name: str, **settings: Any) -> dict[str, Any]:
    """What a record says of its treatment."""
    return {"treatment": {"name": name, "keys": [*settings]}, "recipe": settings}


def frame(*records: Record) -> pd.DataFrame:
    return leaderboard.rows({"quick": [*records]})


SGD = cells([0.8, 0.81, 0.79], **under("sgd", optimizer="sgd", lr=0.1))
ADAM = cells([0.9, 0.91, 0.89], **under("adam", lr=0.01))


def test_treatments_are_ranked_together_and_named() -> None:
    found = frame(*SGD, *ADAM)
    assert list(found.columns) == [*COLUMNS, "treatment"]
    assert list(found["treatment"]) == ["adam", "sgd"]
    assert list(found["rank"]) == ["1", "2"]
    assert set(found["variant"]) == {""}
    assert list(found["seeds"]) == [3, 3]


def test_what_no_treatment_is_about_must_be_the_same() -> None:
    older = cells([0.8, 0.81, 0.79], created="2025-01-01T00:00:00Z",
                  **under("sgd", optimizer="sgd") | {"recipe": {"optimizer": "sgd", "budget.epochs": 3}})  # fmt: skip
    assert set(frame(*older, *ADAM)["variant"]) == {"budget.epochs=3", ""}


def test_a_table_without_treatments_has_no_column_for_them() -> None:
    assert "treatment" not in frame(*cells([0.9])).columns
    assert "treatment" not in leaderboard.metrics({"quick": cells([0.9])}).columns


@pytest.mark.parametrize("what", [leaderboard.rows, leaderboard.metrics])
def test_files_come_back(tmp_path: Path, what: Any) -> None:
    found = what({"quick": [*SGD, *ADAM, *cells([0.5], model={"name": "other"})]})
    write_csv(found, tmp_path / "a.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "a.csv"), found, rtol=1e-5)
    assert set(found["treatment"]) == {"sgd", "adam", ""}


def test_metrics_are_told_apart() -> None:
    found = leaderboard.metrics({"quick": [*SGD, *ADAM]})
    assert list(found.columns) == [*METRIC_COLUMNS, "treatment"]
    test = found[(found["split"] == "test") & (found["metric"] == "accuracy")]
    assert dict(zip(test["treatment"], test["mean"].round(6), strict=True)) == {"adam": 0.9, "sgd": 0.8}


def test_texts_have_a_column_for_them_and_no_other_table_has() -> None:
    treated, plain = frame(*SGD, *ADAM), frame(*cells([0.9]))
    for format in ("terminal", "md"):
        assert "treatment" in render(treated, format, width=200)
        assert "adam" in render(treated, format, width=200)
        assert "treatment" not in render(plain, format, width=200)
    assert [row["treatment"] for row in json.loads(render(treated, "json"))] == ["adam", "sgd"]


def test_the_floor_is_what_constant_does_under_the_same_treatment_or_under_none() -> None:
    task, model = {"floor": None}, {"name": "constant"}
    plain = cells([0.2, 0.2], task=task, model=model)
    own = cells([0.3, 0.3], task=task, model=model, **under("adam", lr=0.01))
    rows = [*cells([0.8], task=task, **under("sgd", lr=1.0)), *cells([0.9], task=task, **under("adam", lr=0.01))]
    found = {(g.key.model, g.key.treatment): g.constant for g in groups({"quick": [*plain, *own, *rows]})}
    assert (found["mlp", "sgd"], found["mlp", "adam"]) == (pytest.approx(0.2), pytest.approx(0.3))


def test_each_has_the_profile_of_its_own_step() -> None:
    mine = profile(**under("sgd", optimizer="sgd", lr=0.1))
    found = {group.key.treatment: group.profile for group in groups({"quick": [*SGD, *ADAM, mine]})}
    assert found == {"sgd": mine, "adam": None}


def test_the_square_says_under_which_treatment_a_shared_record_stands(tmp_path: Path) -> None:
    results, record = Results(tmp_path), cells([0.9])[0]
    results.save(record)
    square = {"variant": "", "seed": 0}
    results.assign("one", {json.dumps(square): record.name})
    results.assign("two", {json.dumps({**square, "treatment": {"name": "adam", "keys": ["lr"]}}): record.name})
    assert [record.get("treatment") for record in results.records("one")] == [None]
    assert [record["treatment"]["name"] for record in results.records("two")] == ["adam"]


@pytest.mark.parametrize("broken", ["adam", 3, {"name": 3, "keys": []}, {"name": "adam", "keys": 3}, []])
def test_a_treatment_that_is_none_is_left_out(broken: Any) -> None:
    assert list(frame(*cells([0.9], treatment=broken))["mean"]) == [0.9]
