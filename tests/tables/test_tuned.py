"""Rows whose recipe was tuned: what they say of it, and with what they are ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from dlbench.results import Record
from dlbench.tables import leaderboard
from dlbench.tables.leaderboard import COLUMNS, read_csv, write_csv
from factories import cells, profile

VARIANT = "tuned lr=log:1e-4..1,5 in 5 trials"


def tuned(lr: float, edge: tuple[str, ...] = ()) -> dict[str, Any]:
    how: dict[str, Any] = {"over": {"lr": "log:1e-4..1,5"}, "sampler": "grid", "trials": 5, "metric": "accuracy"}
    how |= {"seeds": [1000, 1001], "scores": [0.9, 0.8], "chosen": {"lr": lr}, "edge": list(edge), "study": "a"}
    return {"variant": VARIANT, "recipe": {"lr": lr}, "layers": {"lr": "tune"}, "tuned": how}


def frame(*records: Record) -> pd.DataFrame:
    return leaderboard.rows({"quick": [*records]})


def test_a_row_says_what_was_tuned_over_what_in_how_many_trials() -> None:
    found = frame(*cells([0.9, 0.8], **tuned(0.1)), *cells([0.5, 0.6]))
    assert list(found.columns) == [*COLUMNS, "tuned"]
    said = dict(zip(found["variant"], found["tuned"], strict=True))
    assert said == {VARIANT: "lr=0.1 of log:1e-4..1,5; grid, 5 trials", "": ""}
    assert "tuned" not in frame(*cells([0.5])).columns


def test_a_table_with_tuned_rows_comes_back_from_its_file(tmp_path: Path) -> None:
    found = frame(*cells([0.9, 0.8], **tuned(0.1)), *cells([0.5, 0.6]))
    write_csv(found, tmp_path / "a.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "a.csv"), found, rtol=1e-5)


def test_models_that_were_tuned_alike_are_ranked_together_whatever_was_chosen() -> None:
    found = frame(
        *cells([0.9, 0.9, 0.91], **tuned(0.1)), *cells([0.5, 0.5, 0.51], model={"name": "other"}, **tuned(0.01))
    )
    assert set(found["variant"]) == {VARIANT}
    assert list(found["rank"]) == ["1", "2"]


def test_the_end_of_a_range_is_flagged_on_the_row_that_was_tuned_and_on_no_other() -> None:
    edge = tuned(1.0, ("lr",))
    shared = profile(recipe={"lr": 1.0}, created="2026-03-01T00:00:00Z", tuned=edge["tuned"], variant=VARIANT)
    found = frame(*cells([0.9, 0.8], **edge), shared, *cells([0.9, 0.8], recipe={"lr": 1.0}))
    flagged = {row.variant: "range_edge" in row.flags.split() for row in found.itertuples()}
    assert flagged == {VARIANT: True, "": False}
    assert "range_edge" not in frame(*cells([0.9, 0.8], **tuned(0.1)))["flags"].iloc[0]
