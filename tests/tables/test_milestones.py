"""Milestones of tasks: seconds of training until validation reached them, as columns of the leaderboard."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from dlbench import Classes, Image, Metric, TaskSpec
from dlbench.contract.vetting import Fault, vet
from dlbench.plan.digest import made_of
from dlbench.results import Record
from dlbench.tables import leaderboard
from dlbench.tables.leaderboard import COLUMNS, read_csv, render, write_csv
from factories import PERPLEXITY, cell, cells, profile

MILESTONES = {"milestones": [0.7, 0.8, 0.94]}


def curve(*values: float, metric: str = "accuracy") -> list[dict]:
    return [{"seconds": 10.0 * (i + 1), "step": 50 * (i + 1), "val": {metric: value}} for i, value in enumerate(values)]


def rows(*records: Record) -> pd.DataFrame:
    return leaderboard.rows({"speed": list(records)})


def reached() -> list[Record]:
    first = cell(seed=0, curves=[curve(0.5, 0.75, 0.6, 0.8)], task=MILESTONES)
    return [first, cell(seed=1, curves=[curve(0.7, 0.7, 0.79)], task=MILESTONES)]


def test_each_milestone_is_a_column_behind_the_fixed_ones() -> None:
    frame = rows(*reached())
    assert tuple(frame.columns) == (
        *COLUMNS, "time_to_0.7_s", "steps_to_0.7", "time_to_0.8_s", "steps_to_0.8", "time_to_0.94_s", "steps_to_0.94"
    )  # fmt: skip
    (row,) = frame.to_dict("records")
    assert row["time_to_0.7_s"] == pytest.approx((20 + 10) / 2)
    assert row["steps_to_0.7"] == pytest.approx((100 + 50) / 2)
    assert math.isnan(row["steps_to_0.8"])
    assert math.isnan(row["time_to_0.8_s"])  # the second seed never got there
    assert math.isnan(row["time_to_0.94_s"])


def test_a_metric_that_falls_and_folds() -> None:
    task = {"metric": PERPLEXITY, "milestones": [100.0]}
    folds = [curve(300, 90, metric="perplexity"), curve(120, 110, 100, metric="perplexity")]
    (row,) = rows(cell(80.0, curves=folds, task=task)).to_dict("records")
    assert row["time_to_100_s"] == pytest.approx(20 + 30)


def test_rows_of_tasks_without_them_are_empty_and_tables_without_them_as_before() -> None:
    frame = rows(*reached(), *cells([0.5], model={"name": "other"}))
    assert frame.set_index("model")["time_to_0.7_s"].isna().to_dict() == {"mlp": False, "other": True}
    assert tuple(rows(*cells([0.5])).columns) == COLUMNS


def test_they_survive_the_file(tmp_path: Path) -> None:
    frame = rows(*reached())
    write_csv(frame, tmp_path / "a.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "a.csv"), frame, rtol=1e-5)
    text = (tmp_path / "a.csv").read_text().replace("time_to_0.7_s", "time_to_when_s")
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(ValueError, match="not a leaderboard"):
        read_csv(tmp_path / "b.csv")


def test_the_tables_show_those_that_were_reached() -> None:
    frame = rows(*reached())
    for format in ("terminal", "md"):
        text = render(frame, format, width=120)
        assert "s to 70 %" in text
        assert "steps to 70 %" in text
        assert "80 %" not in text
    cells_of = [line.split("|") for line in render(frame, "md").splitlines() if line.startswith("| ")]
    place = next(i for i, name in enumerate(cells_of[0]) if name.strip() == "s to 70 %")
    assert cells_of[1][place].strip() == "15"
    narrow = " ".join(render(rows(*reached(), profile(task=MILESTONES)), "terminal", width=40).split())
    assert "s to 70 %" in narrow.partition("Left out where")[2]


def test_another_metric_than_a_fraction_is_named_as_it_is() -> None:
    task = {"metric": PERPLEXITY, "milestones": [120.5]}
    assert "s to 120.5" in render(rows(cell(80.0, curves=[curve(100, metric="perplexity")], task=task)), "md")


def spec(**fields: object) -> TaskSpec:
    return TaskSpec(
        name="t", input_kind=Image, output_kind=Classes, load=print, unit="image", metric=Metric(name="accuracy"),
        floor=0.1, **fields,
    )  # fmt: skip


def test_milestones_are_numbers_and_change_no_result() -> None:
    vet(spec(milestones=(0.7, 1)))
    with pytest.raises(Fault, match="milestones must be a tuple of finite numbers"):
        vet(spec(milestones=("0.7",)))
    assert made_of(spec(milestones=(0.7,))).digest == made_of(spec()).digest
