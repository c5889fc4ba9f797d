"""Aggregates of records: who takes part, what counts where there is no score, what is said, what is written."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas as pd
import pytest

from dlbench.errors import UsageError
from dlbench.results import Record
from dlbench.tables import scoreboard
from dlbench.tables.contests import contests, listed
from dlbench.tables.standings import Standing, standings
from factories import ACCURACY, cell, cells, profile

MSE = {"name": "mse", "unit": "squared error", "higher_is_better": False}
REWARD = {"name": "reward", "unit": "reward", "higher_is_better": True}
A = {"name": "a", "metric": ACCURACY, "floor": 0.1, "bound": None}
B = {"name": "b", "metric": MSE, "floor": 1.0, "bound": 0.0}
C = {"name": "c", "metric": REWARD, "floor": None, "bound": None}


def row(model: str, task: dict[str, Any], *values: float, **changes: Any) -> list[Record]:
    return cells([*values], model={"name": model}, task=task, **changes)


def only(*records: Record, **how: Any) -> Standing:
    (found,) = standings({"quick": [*records]}, **how)
    return found


def by_name(standing: Standing) -> dict[str, dict[str, Any]]:
    return {found["name"]: found for found in standing.rows}


TWO = [
    *row("x", A, 0.8, 0.8, 0.8),
    *row("y", A, 0.6, 0.5, 0.4),
    *row("x", B, 0.5, 0.5, 0.5),
    *row("y", B, 0.2, 0.2, 0.2),
]


def test_every_figure_of_a_small_table() -> None:
    found = by_name(only(*TWO))
    x, y = found["x"], found["y"]
    assert (x["elo"], y["elo"]) == (pytest.approx(1000), pytest.approx(1000))
    assert (x["mean_rank"], y["mean_rank"], x["win_rate"]) == (1.5, 1.5, 0.5)
    # normalised: x 1, 1, 1 (a, up to the best row) and .5, .5, .5 (b, up to the bound); y 5/7, 4/7, 3/7 and .8, .8, .8
    assert x["iqm"] == pytest.approx(3 / 4)
    assert y["iqm"] == pytest.approx((4 / 7 + 5 / 7 + 0.8 + 0.8) / 4)
    assert (y["above_0.5"], y["above_0.75"], y["above_0.9"]) == pytest.approx((5 / 6, 0.5, 0))
    # errors: x 0.2 and 0.5, y 0.5 and 0.2
    assert (x["improvability"], y["improvability"]) == (pytest.approx(0.3), pytest.approx(0.3))
    assert (x["covered"], x["tasks"], x["coverage"], x["runs"]) == (2, 2, 1.0, 6)
    assert x["mean_rank_low"] <= 1.5 <= x["mean_rank_high"]
    assert (x["iqm_low"], x["iqm_high"]) == (pytest.approx(0.75), pytest.approx(0.75))  # its runs don't vary
    assert y["iqm_low"] < y["iqm"] < y["iqm_high"]
    assert "floor to best row (a); floor to bound (b)" in " ".join(only(*TWO).notes)


def test_an_answer_is_the_same_each_time() -> None:
    assert only(*TWO).rows == only(*reversed(TWO)).rows


def test_without_a_score_the_worst_counts_and_is_said() -> None:
    standing = only(*TWO, *row("z", A, 0.9, 0.9, 0.9))
    z = by_name(standing)["z"]
    assert (z["covered"], z["tasks"], z["mean_rank"]) == (1, 2, (1 + 3) / 2)
    assert z["improvability"] == pytest.approx((0 + 0.8) / 2)  # on b its error is the floor's, 1.0; the best has 0.2
    assert "No score, so the worst counts: z on b." in standing.notes


def test_or_the_table_is_split_into_those_who_cover_the_same() -> None:
    found = standings({"quick": [*TWO, *row("z", A, 0.9, 0.9, 0.9)]}, missing="split")
    assert [(part.contest.part, part.contest.names) for part in found] == [
        ("1 task: a", ["x", "y", "z"]), ("2 tasks: a, b", ["x", "y"]),
    ]  # fmt: skip
    assert {row["coverage"] for part in found for row in part.rows} == {1.0}
    assert not any("worst counts" in note for part in found for note in part.notes)
    assert len(standings({"quick": TWO}, missing="split")) == 1


def test_runs_that_failed_count_as_the_worst_and_missing_data_as_no_run() -> None:
    task = {"model": {"name": "y"}, "task": A}
    failed = [*row("x", A, 0.8, 0.8), *row("y", A, 0.9, 0.9), cell(None, seed=2, status="diverged", **task),
              cell(None, seed=3, status="no_data", **task)]  # fmt: skip
    standing = only(*failed)
    y = by_name(standing)["y"]
    assert (y["runs"], y["failed_runs"], y["mean_rank"]) == (2, 1, 2)  # (0.9 + 0.9 + 0.1) / 3
    assert "Runs that didn't end ok count as the worst: y on a (1 of 3)." in standing.notes
    assert (
        by_name(only(*row("x", A, 0.8), *row("y", A, 0.7), cell(float("nan"), **task, seed=1)))["y"]["failed_runs"] == 1
    )


def test_copies_and_what_is_beyond_the_bound_do_not_count() -> None:
    bounded = A | {"bound": 0.85}
    given = [*row("x", bounded, 0.8, 0.8), *row("y", bounded, 0.7, 0.7), *row("z", bounded, 0.99, 0.99),
             *row("w", bounded, 0.84, 0.84, flags=["copies"])]  # fmt: skip
    standing = only(*given)
    assert [found["name"] for found in standing.rows] == ["x", "y"]
    assert "z on a doesn't count: beyond the bound." in standing.notes
    assert "w on a doesn't count: copies." in standing.notes


def test_rows_of_two_runtimes_or_suites_never_meet() -> None:
    fast = {"runtime": {"precision": "bf16"}}
    given = [*row("x", A, 0.8), *row("y", A, 0.7), *row("x", A, 0.6, **fast), *row("y", A, 0.9, **fast)]
    found = {found.contest.key.precision: by_name(found)["x"]["mean_rank"] for found in standings({"quick": given})}
    assert found == {"fp32": 1, "bf16": 2}
    assert len(standings({"one": given[:2], "two": given[:2]})) == 2


def test_a_table_of_one_row_is_no_comparison_but_one_model_alone_has_figures() -> None:
    standing = only(*row("x", A, 0.8), *row("y", A, 0.7), *row("x", B, 0.5))
    assert by_name(standing)["y"]["tasks"] == 1
    assert "With one row there is nothing to compare: b." in standing.notes
    alone = only(*row("x", B, 0.5, 0.5, 0.5))
    (x,) = alone.rows
    assert (x["iqm"], x["mean_rank"], x["improvability"]) == (pytest.approx(0.5), 1.0, 0.0)
    assert x.get("elo") is None
    assert pd.isna(x["win_rate"])


def test_ties_everywhere() -> None:
    found = by_name(only(*row("x", A, 0.8, 0.8, 0.8), *row("y", A, 0.8, 0.8, 0.8), *row("z", A, 0.8, 0.8, 0.8)))
    assert {
        (row["mean_rank"], row["win_rate"], round(row["elo"], 6), row["improvability"]) for row in found.values()
    } == {(2.0, 0.5, 1000.0, 0.0)}


def test_what_has_no_scale_is_left_out_and_said() -> None:
    standing = only(*row("x", C, 5.0), *row("y", C, 7.0), *row("x", A, 0.1), *row("y", A, 0.05))
    x = by_name(standing)["x"]
    assert (x["normalised_tasks"], x["error_tasks"], x["mean_rank"]) == (1, 1, 1.5)
    assert "Not in IQM and profile, because nothing beats the floor: a." in standing.notes
    assert "Not in improvability, because the metric has no error of at least 0: c." in standing.notes
    assert "worst row to best row (c)" in " ".join(standing.notes)
    none = only(*row("x", C | {"name": "d"}, 5.0), *row("y", C | {"name": "d"}, 5.0))
    assert none.rows[0].get("iqm") is None
    assert "-" in scoreboard.render([none])


def test_who_always_wins_is_said() -> None:
    standing = only(*row("x", A, 0.8), *row("y", A, 0.7))
    assert any("x > y" in note for note in standing.notes)
    assert [found["elo_tier"] for found in standing.rows] == [1, 2]


def test_an_anchor_has_a_thousand() -> None:
    given = [*TWO, *row("x", C, 5.0), *row("y", C, 4.0)]
    free, fixed = by_name(only(*given)), by_name(only(*given, anchor="y"))
    assert fixed["y"]["elo"] == pytest.approx(1000)
    assert fixed["x"]["elo"] - 1000 == pytest.approx(free["x"]["elo"] - free["y"]["elo"])
    with pytest.raises(UsageError, match="there is no competitor 'nobody'"):
        only(*given, anchor="nobody")


def test_elo_has_an_interval_from_ten_tasks_on() -> None:
    def given(count: int) -> list[Record]:
        tasks = [A | {"name": f"a{index}"} for index in range(count)]
        return [
            record
            for index, task in enumerate(tasks)
            for record in [*row("x", task, 0.5), *row("y", task, 0.4 + 0.2 * (index % 3 == 0))]
        ]

    x = by_name(only(*given(10)))["x"]
    assert x["elo_low"] < x["elo"] < x["elo_high"]
    assert by_name(only(*given(9)))["x"].get("elo_low") is None


def test_treatments_over_models_and_tasks() -> None:
    def under(name: str, lr: float, model: str, value: float) -> list[Record]:
        about = {"treatment": {"name": name, "keys": ["lr"]}, "recipe": {"lr": lr}}
        return row(model, A, value, value, value, **about)

    given = [*under("sgd", 0.1, "x", 0.8), *under("adam", 0.01, "x", 0.9), *under("sgd", 0.1, "y", 0.7),
             *under("adam", 0.01, "y", 0.6)]  # fmt: skip
    over = only(*given, over="treatment")
    assert [task.label for task in over.contest.tasks] == ["a (x)", "a (y)"]
    assert {found["name"]: found["mean_rank"] for found in over.rows} == {"sgd": 1.5, "adam": 1.5}
    models = only(*given)
    assert [task.label for task in models.contest.tasks] == ["a (adam)", "a (sgd)"]
    assert {found["name"]: found["mean_rank"] for found in models.rows} == {"x": 1.0, "y": 2.0}
    assert standings({"quick": TWO}, over="treatment") == []


def test_trials_of_a_search_are_no_tasks() -> None:
    trial = [*row("x", A, 0.8, variant="tune, lr=0.1"), *row("y", A, 0.8, variant="tune, lr=0.1")]
    assert len(contests({"quick": [*TWO, *trial]})[0].tasks) == 2


def test_the_file_for_bencheval_is_dense_and_says_what_is_imputed() -> None:
    given = [*TWO, *row("z", A, 0.9, 0.7), *row("x", C, 3.0), *row("y", C, 2.0)]
    measured = profile(model={"name": "x"}, task=A)
    found = standings({"quick": [*given, measured]})
    frame = pd.read_csv(io.StringIO(scoreboard.render(found, format="bencheval")))
    assert list(frame.columns[:6]) == ["method", "task", "seed", "metric_error", "time_train_s", "time_infer_s"]
    assert len(frame) == len(frame.drop_duplicates(["method", "task", "seed"])) == 3 * 2 * 3
    at = frame.set_index(["method", "task", "seed"])
    assert at.loc[("y", "a", 1), "metric_error"] == pytest.approx(0.5)
    assert at.loc[("y", "b", 1), "metric_error"] == pytest.approx(0.2)
    assert at.loc[("x", "a", 0), "time_infer_s"] == pytest.approx(0.001 / 3 / 128)
    assert at.loc[("x", "a", 0), "time_train_s"] == 2.0
    assert frame[frame["imputed"]].set_index(["method", "task", "seed"])["metric_error"].round(9).to_dict() == {
        ("z", "a", 2): 0.2,  # as the mean of its own two
        ("z", "b", 0): 1.0, ("z", "b", 1): 1.0, ("z", "b", 2): 1.0,
    }  # fmt: skip
    assert pd.isna(at.loc[("z", "b", 0), "time_train_s"])


def test_texts() -> None:
    found = standings({"quick": [*TWO, *row("=cmd|x", A, 0.9, 0.9, 0.9)]})
    text = scoreboard.render(found, width=100)
    assert max(map(len, text.splitlines())) <= 100
    for part in ("quick · cpu fp32 1 thread · epyc-2c", "2/2", "No score, so the worst counts: =cmd|x on b."):
        assert part in text
    assert "'=cmd|x" in scoreboard.render(found, format="csv")
    assert "=cmd\\|x" in scoreboard.render(found, format="md")
    assert json.loads(scoreboard.render(found, format="json"))[0]["model"] in ("x", "y", "=cmd|x")
    with pytest.raises(UsageError, match="table format"):
        scoreboard.render(found, format="pdf")


def test_many_names_are_shortened() -> None:
    assert listed("abcd") == "a, b, c, d"
    assert listed("abcde") == "a, b, c and 2 others"
