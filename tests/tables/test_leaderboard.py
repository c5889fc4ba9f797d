"""dlbench.tables.leaderboard on synthetic records, from records to CSV and back."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import pytest
import scipy.special
import scipy.stats

from dlbench.results import Record, Results, load_by_suite
from dlbench.tables import leaderboard
from dlbench.tables.leaderboard import COLUMNS, METRIC_COLUMNS, read_csv, write_csv
from factories import ACCURACY, PERPLEXITY, cell, cells, launch, profile

GOOD, TWIN, POOR = [0.95, 0.952, 0.948], [0.951, 0.951, 0.949], [0.801, 0.802, 0.803]
REFERENCE = {"value": 0.8, "source": "somebody, 2020"}


def rows(*records: Record) -> list[dict]:
    return leaderboard.rows({"quick": list(records)}).to_dict("records")


def row(*records: Record) -> dict:
    (only,) = rows(*records)
    return only


# --- rows -------------------------------------------------------------------------------------------------


def test_columns_and_their_order():
    frame = leaderboard.rows({"quick": cells(GOOD)})
    assert tuple(frame.columns) == COLUMNS
    assert len(COLUMNS) == 46
    assert tuple(leaderboard.rows({}).columns) == COLUMNS


def test_a_row_aggregates_over_seeds():
    found = row(*cells(GOOD))
    slope = 0.95 * 0.05
    logits = scipy.stats.t.interval(0.95, 2, loc=scipy.special.logit(0.95), scale=scipy.stats.sem(GOOD) / slope)
    low, high = scipy.special.expit(logits)
    assert (found["mean"], found["ci_low"], found["ci_high"]) == pytest.approx((0.95, low, high))
    assert (found["seeds"], found["folds"], found["status"]) == (3, 1, "ok")
    assert (found["metric"], found["unit"], found["higher_is_better"]) == ("accuracy", "fraction", True)
    assert (found["params"], found["batch_size"], found["train_s"], found["epochs"]) == (5000, 128, 2.0, 10.0)
    assert (found["device"], found["machine"], found["torch"], found["threads"]) == ("cpu", "epyc-2c", "2.15.0", 1)
    assert found["records"].split() == [c.name for c in cells(GOOD)]
    assert math.isnan(found["train_examples_per_s"])
    assert math.isnan(found["time_to_target_s"])


def test_a_batch_of_all_examples_has_no_number():
    assert pd.isna(row(*cells(GOOD, recipe={"batch_size": "all"}))["batch_size"])


def test_what_makes_another_row():
    variants = [
        {}, {"model": {"name": "lenet"}}, {"model": {"options": "width=64"}}, {"task": {"options": "size=16"}},
        {"variant": "lr=0.1"}, {"environment": {"machine": "h100"}}, {"environment": {"torch": "2.14.0"}},
        {"runtime": {"precision": "bf16"}}, {"runtime": {"threads": 2}}, {"runtime": {"channels_last": True}},
        {"runtime": {"matmul_precision": "medium"}}, {"runtime": {"cuda_graph": True}},
        {"runtime": {"compile": True}}, {"runtime": {"compile": True, "compile_mode": "max-autotune"}},
    ]  # fmt: skip
    found = rows(*(cell(**changes) for changes in variants))
    assert len(found) == len(variants)
    assert {r["task"] for r in found} == {"digits", "digits[size=16]"}
    assert sum("channels_last" in r["flags"] for r in found) == 1
    assert len(rows(cell(runtime={"device": "cuda:0"}), cell(seed=1, runtime={"device": "cuda:1"}))) == 1


def test_two_suites_are_two_rows():
    frame = leaderboard.rows({"quick": cells(GOOD), "vision": cells(POOR)})
    assert [*frame["suite"]] == ["quick", "vision"]


def test_interval_from_three_seeds_and_provisional_under_five():
    two, three, five = row(*cells(GOOD[:2])), row(*cells(GOOD)), row(*cells([*GOOD, 0.95, 0.95]))
    assert math.isnan(two["ci_low"])
    assert not math.isnan(three["ci_low"])
    assert [("provisional" in r["flags"].split()) for r in (two, three, five)] == [True, True, False]


def test_one_seed_of_a_fold_task_shows_the_sd_over_folds():
    folds = [{"test": {"accuracy": v}} for v in (0.7, 0.8, 0.9)]
    changes = {"task": {"folds": 3}, "fold_metrics": folds}
    assert row(cell(0.8, **changes))["fold_sd"] == pytest.approx(0.1)
    assert row(cell(0.8, **changes))["folds"] == 3
    assert math.isnan(row(*cells([0.8, 0.81], **changes))["fold_sd"])


def test_failed_cells_are_counted_and_left_out_of_the_mean():
    found = row(cell(0.9, seed=0), cell(seed=1, status="diverged"), cell(0.8, seed=2))
    assert (found["status"], found["seeds"], found["mean"]) == ("diverged 1/3", 2, pytest.approx(0.85))
    mixed = row(cell(seed=0, status="diverged"), cell(seed=1, status="crashed"), cell(seed=2, status="diverged"))
    assert (mixed["status"], mixed["seeds"]) == ("crashed 1/3 diverged 2/3", 0)
    assert math.isnan(mixed["mean"])
    assert mixed["rank"] == ""
    assert "provisional" not in mixed["flags"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_metric_that_is_no_number_counts_as_failed(value):
    found = row(cell(0.9, seed=0), cell(value, seed=1))
    assert (found["status"], found["seeds"], found["mean"]) == ("failed 1/2", 1, 0.9)


def test_a_cell_that_died_before_it_knew_its_place_joins_its_row():
    found = row(*cells(GOOD), cell(seed=3, status="crashed", environment={"machine": "epyc-2c", "torch": None}))
    assert (found["status"], found["torch"]) == ("crashed 1/4", "2.15.0")
    elsewhere = cell(seed=3, status="crashed", environment={"machine": "other", "torch": None})
    assert len(rows(*cells(GOOD), elsewhere)) == 2


def test_the_newest_record_of_a_seed_counts():
    found = row(cell(0.5, created="2026-01-01T00:00:00Z"), cell(0.9, created="2026-02-01T00:00:00Z"))
    assert (found["mean"], found["seeds"]) == (0.9, 1)


# --- ranks ------------------------------------------------------------------------------------------------


def test_ranks_and_order_within_a_table():
    names = {"poor": POOR, "twin": TWIN, "good": GOOD}
    records = [c for name, values in names.items() for c in cells(values, model={"name": name})]
    found = rows(*records, cell(status="oom", model={"name": "big"}))
    assert [r["model"] for r in found] == ["twin", "good", "poor", "big"]
    assert [r["rank"] for r in found] == ["1-2", "1-2", "3", ""]


def test_rows_stand_by_mean_also_where_ranks_say_less():
    """A wide lead that few seeds don't show: 16.2 BLEU stood below 10.9 once."""
    bleu = {"task": {"metric": {"name": "bleu", "unit": "points", "higher_is_better": True}}}
    values = {"b": [16.0, 16.4], "c": [8.0, 13.8], "a": [22.9, 23.0], "once": [12.0]}
    records = [c for name, scores in values.items() for c in cells(scores, model={"name": name}, **bleu)]
    found = rows(*records)
    assert [r["model"] for r in found] == ["a", "b", "once", "c"]
    assert {r["model"]: r["rank"] for r in found}["once"] == "1-4"
    for place, entry in enumerate(found, start=1):
        low, _, high = entry["rank"].partition("-")
        assert int(low) <= place <= int(high or low)


def test_ranks_where_lower_is_better():
    changes = {"task": {"metric": PERPLEXITY, "floor": 1000.0}}
    records = [
        *cells([80.1, 80.2, 80.0], model={"name": "lstm"}, **changes),
        *cells([120.2, 120.1, 120.0], model={"name": "rnn"}, **changes),
    ]
    assert [(r["model"], r["rank"]) for r in rows(*records)] == [("lstm", "1"), ("rnn", "2")]


@pytest.mark.parametrize("apart", [{"variant": "b"}, {"environment": {"machine": "b"}}, {"task": {"options": "k=1"}}])
def test_tables_are_ranked_apart(apart):
    records = [*cells(GOOD, model={"name": "good"}), *cells(POOR, model={"name": "poor"}, **apart)]
    assert [r["rank"] for r in rows(*records)] == ["1", "1"]


# --- yardsticks and flags ---------------------------------------------------------------------------------


def test_bound_and_reference_hold_for_default_options_only_and_floor_where_the_task_says_so():
    task = {"floor": 0.1, "bound": 1.0, "reference": REFERENCE}
    plain, other = row(cell(task=task)), row(cell(task={**task, "options": "size=16"}))
    assert (plain["floor"], plain["bound"], plain["reference"]) == (0.1, 1.0, 0.8)
    assert other["floor"] == 0.1
    assert all(math.isnan(other[column]) for column in ("bound", "reference"))


def test_a_floor_that_the_task_does_not_know_is_the_row_of_constant():
    task = {"floor": None, "options": "size=16"}
    scores = {"constant": [0.3, 0.3, 0.3], "good": [0.8, 0.81, 0.8], "poor": [0.29, 0.31, 0.28]}
    records = [c for name, values in scores.items() for c in cells(values, model={"name": name}, task=task)]
    other = cells([0.9, 0.9, 0.9], model={"name": "good"}, task={**task, "options": "size=8"})
    found = {(r["task"], r["model"]): r for r in rows(*records, *other)}
    flagged = {model: "at_floor" in found["digits[size=16]", model]["flags"].split() for model in scores}
    assert flagged == {"constant": True, "good": False, "poor": True}
    assert [found["digits[size=16]", model]["floor"] for model in scores] == pytest.approx([0.3] * 3)
    assert math.isnan(found["digits[size=8]", "good"]["floor"])  # its table has no constant


def test_a_constant_that_did_not_end_ok_is_no_floor():
    task, model = {"floor": None}, {"name": "constant"}
    lost = [cell(0.3, seed=0, model=model, task=task), cell(seed=1, status="failed", model=model, task=task)]
    good = next(r for r in rows(*lost, *cells([0.8, 0.8], task=task)) if r["model"] == "mlp")
    assert math.isnan(good["floor"])


@pytest.mark.parametrize(
    ("values", "metric", "expected"),
    [
        ([0.1, 0.1, 0.1], ACCURACY, True),
        ([0.05, 0.05, 0.05], ACCURACY, True),
        ([0.09, 0.12, 0.14], ACCURACY, True),
        ([0.2, 0.21, 0.19], ACCURACY, False),
        ([0.11], ACCURACY, False),
        ([0.05, 0.05, 0.05], PERPLEXITY, False),
        ([0.2, 0.2, 0.2], PERPLEXITY, True),
    ],
)
def test_at_floor_is_judged_on_the_row(values, metric, expected):
    found = row(*cells(values, task={"metric": metric, "floor": 0.1}))
    assert ("at_floor" in found["flags"].split()) is expected


def test_flags_are_the_union_of_all_sources():
    layers = {"optimizer": "model", "batch_size": "task"}
    records = [
        cell(seed=0, flags=["not_deterministic"], layers=layers), cell(seed=1, task={"data": "unverified"}),
        profile([{**launch(), "flags": ["loader_bound"]}], flags=["device_shared"]),
    ]  # fmt: skip
    expected = "device_shared loader_bound model_recipe not_deterministic provisional unverified_data"
    assert row(*records)["flags"] == expected


def test_a_row_of_copies_has_no_rank():
    copying = cells([0.99, 0.99, 0.99], model={"name": "bootstrap"}, flags=["copies"])
    records = [*copying, *cells(GOOD, model={"name": "good"}), *cells(POOR, model={"name": "poor"})]
    assert {r["model"]: r["rank"] for r in rows(*records) if r["model"] != "bootstrap"} == {"good": "1", "poor": "2"}
    (copied,) = (r for r in rows(*records) if r["model"] == "bootstrap")
    assert copied["rank"] == ""
    assert "copies" in copied["flags"].split()


def test_an_edited_model_shows_neither_old_numbers_nor_old_speed():
    old = cell(seed=0, created="2026-01-01T00:00:00Z")
    new = cell(seed=1, model={"digest": "m2"}, created="2026-01-02T00:00:00Z")
    found = rows(old, new, profile())
    assert [(r["records"], r["seeds"]) for r in found if r["seeds"]] == [(new.name, 1)]
    assert all(pd.isna(r["train_examples_per_s"]) for r in found if r["seeds"])
    measured = row(new, profile(model={"digest": "m2"}))
    assert measured["train_examples_per_s"] > 0


def test_a_profile_of_another_step_is_not_shown():
    plain = row(cell(), profile())
    assert plain["train_examples_per_s"] > 0
    averaged = [r for r in rows(cell(recipe={"regularizers": ["ema"]}), profile()) if r["seeds"]]
    assert [pd.isna(r["train_examples_per_s"]) for r in averaged] == [True]


def test_a_seed_far_from_the_others_is_flagged():
    steady = [c for i in range(3) for c in cells([0.9, 0.91, 0.905], model={"name": f"steady{i}"})]
    found = {r["model"]: r["flags"].split() for r in rows(*cells([0.95, 0.952, 0.70]), *steady)}
    assert [name for name, flags in found.items() if "outlier_seed" in flags] == ["mlp"]


# --- speed and memory -------------------------------------------------------------------------------------


def test_speed_is_the_median_over_launches():
    launches = [launch(0.001, peak_mib=8.0), launch(0.004, peak_mib=9.0), launch(0.002, peak_mib=8.0)]
    found = row(*cells(GOOD), profile(launches))
    assert found["train_examples_per_s"] == pytest.approx(128 / 0.002)
    assert found["pipeline_examples_per_s"] == pytest.approx(128 / 0.0022)
    assert found["infer_examples_per_s"] == pytest.approx(3 * 128 / 0.002)
    assert (found["train_peak_mib"], found["infer_peak_mib"]) == (8.0, 2.0)
    assert (found["latency_p50_ms"], found["latency_p95_ms"], found["flops_per_example"]) == (0.2, 0.3, 3e4)
    assert math.isnan(found["energy_j_per_example"])
    assert found["records"].split()[-1] == profile().name


def test_a_profile_serves_every_variant_with_its_batch_size_and_optimizer():
    records = [
        *cells(GOOD, variant="a"),
        *cells(GOOD, variant="b", recipe={"lr": 0.1}),
        *cells(GOOD, variant="c", recipe={"batch_size": 64}),
        profile([launch()] * 3, variant="a"),
    ]
    assert [math.isnan(r["train_examples_per_s"]) for r in rows(*records)] == [False, False, True]
    own = [*records, profile([launch(0.002)] * 3, variant="b", created="2025-01-01T00:00:00Z")]
    assert [r["train_examples_per_s"] for r in rows(*own)][:2] == pytest.approx([128 / 0.001, 128 / 0.002])


def test_a_profile_alone_is_a_row():
    found = row(profile())
    assert (found["status"], found["seeds"], found["params"]) == ("ok", 0, 5000)
    assert not math.isnan(found["train_examples_per_s"])
    assert row(profile(status="oom"))["status"] == "profile oom"


def test_a_failed_profile_is_a_flag_on_trained_cells():
    found = row(*cells(GOOD), profile(status="oom"))
    assert found["status"] == "ok"
    assert "profile_oom" in found["flags"].split()
    assert math.isnan(found["train_examples_per_s"])


def test_time_to_target_is_the_mean_over_seeds_of_the_first_time_at_the_reference():
    def curve(*values: float) -> list[dict]:
        return [{"seconds": 10.0 * (i + 1), "val": {"accuracy": v}} for i, v in enumerate(values)]

    task = {"reference": REFERENCE}
    first, second = cell(seed=0, curves=[curve(0.5, 0.8, 0.7)], task=task), cell(seed=1, curves=[curve(0.9)], task=task)
    assert row(first, second)["time_to_target_s"] == pytest.approx((20 + 10) / 2)
    folds = cell(seed=0, curves=[curve(0.5, 0.8), curve(0.9)], task=task)
    assert row(folds)["time_to_target_s"] == pytest.approx(20 + 10)
    assert math.isnan(row(first, cell(seed=1, curves=[curve(0.5, 0.6)], task=task))["time_to_target_s"])
    assert math.isnan(row(cell(curves=[curve(0.9)]))["time_to_target_s"])


# --- the long table ---------------------------------------------------------------------------------------


def test_metrics_frame_is_long_and_described():
    frame = leaderboard.metrics({"quick": cells(GOOD)})
    assert tuple(frame.columns) == METRIC_COLUMNS
    lines = {(r["split"], r["metric"]): r for r in frame.to_dict("records")}
    assert set(lines) == {("val", "accuracy"), ("test", "accuracy"), ("test", "loss")}
    loss = lines["test", "loss"]
    assert (loss["unit"], loss["higher_is_better"], loss["mean"], loss["seeds"]) == ("nats", False, 0.5, 3)


# --- files ------------------------------------------------------------------------------------------------


def test_csv_round_trip(tmp_path):
    by_suite = {"quick": [*cells(GOOD), profile(), cell(status="oom", model={"name": "null"})]}
    for name, frame in (("a", leaderboard.rows(by_suite)), ("b", leaderboard.metrics(by_suite))):
        path = tmp_path / "new" / f"{name}.csv"
        write_csv(frame, path)
        pd.testing.assert_frame_equal(read_csv(path), frame, rtol=1e-5)
        before = path.read_bytes()
        write_csv(read_csv(path), path)
        assert path.read_bytes() == before
        assert b"\r" not in before
        assert before.endswith(b"\n")
    assert [p.name for p in (tmp_path / "new").iterdir()] in (["a.csv", "b.csv"], ["b.csv", "a.csv"])


def test_csv_has_six_digits_and_empty_cells(tmp_path):
    write_csv(leaderboard.rows({"quick": cells([1 / 3])}), tmp_path / "a.csv")
    header, line = (tmp_path / "a.csv").read_text().splitlines()
    values = dict(zip(header.split(","), line.split(","), strict=True))
    assert (values["mean"], values["ci_low"], values["seeds"], values["compile"]) == ("0.333333", "", "1", "False")


def test_read_csv_refuses_another_table(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="not a leaderboard"):
        read_csv(tmp_path / "a.csv")


def test_from_a_results_folder(tmp_path):
    results = Results(tmp_path)
    records = [*cells(GOOD), profile()]
    for record in records:
        results.save(record)
    results.assign("quick", {json.dumps({"i": i, "variant": ""}): record.name for i, record in enumerate(records)})
    (found,) = leaderboard.rows(load_by_suite(tmp_path)).to_dict("records")
    assert (found["suite"], found["seeds"], found["train_peak_mib"]) == ("quick", 3, 8.0)


TERMS = {
    "the budget": {"recipe": {"budget.epochs": 20}}, "the task's lr": {"recipe": {"lr": 0.1}},
    "the version of the task": {"task": {"version": "2"}}, "the task's sources": {"task": {"digest": "t2"}},
    "the data": {"task": {"data_digest": "d2"}}, "the core's protocol": {"protocol": 9},
}  # fmt: skip


@pytest.mark.parametrize("what", TERMS)
def test_rows_whose_terms_differ_are_not_ranked_together(what: str) -> None:
    old = cells([0.9, 0.9, 0.91], model={"name": "old"})
    new = cells([0.5, 0.51, 0.5], model={"name": "new"}, created="2026-02-01T00:00:00Z", **TERMS[what])
    found = {row["model"]: row for row in rows(*old, *new)}
    assert found["new"]["variant"] == ""
    assert found["old"]["variant"] != ""
    assert found["new"]["rank"] == found["old"]["rank"]


def test_what_a_model_sets_for_itself_leaves_it_in_the_table() -> None:
    own = {"recipe": {"lr": 0.1}, "layers": {"lr": "model"}}
    found = rows(*cells([0.9, 0.9, 0.91]), *cells([0.5, 0.5, 0.51], model={"name": "other"}, **own))
    assert {row["variant"] for row in found} == {""}


@pytest.mark.parametrize(
    "change", [{"ingredients": {"optimizers:adam": "x"}}, {"inputs": {"files": {"plugin:a": "1"}}},
               {"content_digest": "b"}]
)  # fmt: skip
def test_a_row_never_mixes_two_programs(change: dict[str, Any]) -> None:
    old = cells([0.9, 0.9, 0.9])
    new = cells([0.5], created="2026-02-01T00:00:00Z", **change)
    (row,) = rows(*old, *new)
    assert (row["seeds"], row["mean"]) == (1, 0.5)
