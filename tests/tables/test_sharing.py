"""Rows of several devices: a table of their own, and how well the work was shared out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dlbench.tables import leaderboard
from factories import MIB, cell, cells, launch, profile

TWO = {"runtime": {"devices": 2}}


def two(step_s: float) -> dict:
    made = launch(step_s)
    made["memory"] |= {"train_peak_bytes_in_all": 12 * MIB, "train_peak_bytes_of_devices": [6 * MIB, 6 * MIB]}
    return made


def rows(*records: object) -> pd.DataFrame:
    return leaderboard.rows({"quick": list(records)})


def test_rows_of_one_device_have_the_columns_that_they_had() -> None:
    assert tuple(rows(*cells([0.9, 0.8]), profile()).columns) == leaderboard.COLUMNS


def test_efficiency_is_the_throughput_over_that_of_as_many_devices_apart(tmp_path: Path) -> None:
    records = [*cells([0.9]), profile([launch(0.001)]), *cells([0.9], **TWO), profile([two(0.0008)], **TWO)]
    frame = rows(*records)
    by_device = frame.set_index("device")
    assert list(by_device.index) == ["cpu", "cpu x2"]
    assert by_device.loc["cpu x2", "scaling_efficiency"] == pytest.approx(0.001 / 0.0008 / 2)
    assert by_device.loc["cpu x2", "train_examples_per_s"] == pytest.approx(128 / 0.0008)
    assert by_device.loc["cpu x2", "train_examples_per_s_per_device"] == pytest.approx(64 / 0.0008)
    assert by_device.loc["cpu x2", "train_peak_mib_in_all"] == 12
    assert by_device.loc["cpu", leaderboard.sharing.COLUMNS].isna().all()
    assert list(by_device["rank"]) == ["1", "1"]  # tables of their own
    assert leaderboard.notes({"quick": records}) == ["digits x mlp, cpu x2: 62 % of the throughput of 2 devices apart"]
    leaderboard.write_csv(frame, tmp_path / "leaderboard.csv")
    pd.testing.assert_frame_equal(leaderboard.read_csv(tmp_path / "leaderboard.csv"), frame, rtol=1e-5)


def test_shards_are_told_from_whole_models_and_compared_with_one_device() -> None:
    sharded = {"runtime": {"devices": 2, "shard": True}}
    records = [*cells([0.9]), profile([launch(0.001)]), *cells([0.9], **sharded), profile([two(0.001)], **sharded)]
    by_device = rows(*records).set_index("device")
    assert list(by_device.index) == ["cpu", "cpu x2 sharded"]
    assert by_device.loc["cpu x2 sharded", "scaling_efficiency"] == pytest.approx(0.5)


def test_a_missing_profile_is_said() -> None:
    records = [*cells([0.9]), *cells([0.9], **TWO), profile([two(0.0008)], **TWO)]
    frame = rows(*records).set_index("device")
    assert pd.isna(frame.loc["cpu x2", "scaling_efficiency"])
    (note,) = leaderboard.notes({"quick": records})
    assert note == "digits x mlp, cpu x2: no scaling efficiency, because there is no profile of it on one device here"


def test_levers_stand_in_the_title_of_their_table() -> None:
    levers = [
        {"device": "cuda:0", "cuda_graph": True}, {"compile": True, "compile_mode": "max-autotune"},
        {"precision": "tf32", "matmul_precision": "medium", "devices": 2},
    ]  # fmt: skip
    text = leaderboard.render(leaderboard.rows({"quick": [cell(runtime=runtime) for runtime in levers]}), "md")
    titles = [line.split(" · ")[1] for line in text.splitlines() if line.startswith("### ")]
    assert sorted(titles) == [
        "cpu max-autotune fp32 compiled 1 thread", "cpu x2 tf32 medium 1 thread", "cuda graph fp32 1 thread"
    ]  # fmt: skip
