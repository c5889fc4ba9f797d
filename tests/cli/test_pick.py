"""`dlbench pick`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from terminal import dlbench
from test_table import folder

from factories import cells, launch, profile


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Three models whose means are 0.95 (two million parameters), 0.92 and 0.91, all with a latency of 0.2 ms."""
    records = []
    for name, values, params in (("big", [0.94, 0.95, 0.96], 2_000_000), ("small", [0.90, 0.92, 0.94], 200_000),
                                 ("other", [0.89, 0.91, 0.93], 100_000)):  # fmt: skip
        who = {"name": name, "digest": name}
        records += [*cells(values, model=who, params=params), profile([launch()] * 3, model=who)]
    return folder(tmp_path / "runs", records)


def test_an_answer_in_words(results: Path) -> None:
    done = dlbench("pick", "-t", "digits", results, "--max-params", "1M", "--max-latency", "2ms")
    text = " ".join(done.out.split())
    assert done.code == 0, done.err
    assert "Best: small, 92.0" in text
    assert "other: 1 pt behind;" in text
    assert "dlbench run --suite quick -m small -m other -t digits --seeds" in text
    assert f"--results {results}" in text
    assert "Left out, not params <= 1M: big" in text
    lines = [line.split()[0] for line in done.out.splitlines() if line.endswith("front")]
    assert lines == ["small", "other"]


def test_an_answer_as_json(results: Path) -> None:
    (answer,) = json.loads(dlbench("pick", "-t", "digits", results, "--max-size", "1MB", "--json").out)
    assert answer["best"] == "small"
    assert answer["left_out"] == {"not size_mb <= 1MB": ["big"]}
    best, other = answer["candidates"]
    assert (best["size_mb"], best["told_apart"], best["commands"]) == (0.8, None, [])
    assert (other["told_apart"], other["behind"]) == (False, pytest.approx(0.01))
    assert other["commands"][0].startswith("dlbench run --suite quick -m small -m other")
    assert f"--seeds {other['seeds_needed']} " in other["commands"][0]
    assert best["ci_low"] < best["mean"] < best["ci_high"]


def test_the_number_of_seeds_is_enough(results: Path) -> None:
    """As many draws of seeds as it names, with the spread and the difference that the records show: the table then
    tells the two apart more often than not. (The spread of the moderated variance is a little wider than theirs.)"""
    import numpy as np

    from dlbench.tables.ranking import ranks

    (answer,) = json.loads(dlbench("pick", "-t", "digits", results, "--max-size", "1MB", "--json").out)
    n = answer["candidates"][1]["seeds_needed"]
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        table = {name: dict(enumerate(rng.normal(mean, sd, n))) for name, mean, sd in
                 (("big", 0.95, 0.01), ("small", 0.92, 0.02), ("other", 0.91, 0.02))}  # fmt: skip
        found += ranks(table, True)["other"] == "3"
    assert found / 200 > 0.75


def test_nothing_keeps_the_limits(results: Path) -> None:
    done = dlbench("pick", "-t", "digits", results, "--max-params", "1k")
    assert done.code == 1
    assert "No row keeps the limits." in done.out
    assert "Left out, not params <= 1k: big, small, other" in done.out
    assert "no row of digits keeps the limits" in done.err


def test_a_published_folder_is_no_place_to_go_on_in(results: Path, tmp_path: Path) -> None:
    assert dlbench("publish", results, "--to", tmp_path / "shown").code == 0
    assert "--results" not in dlbench("pick", "-t", "digits", tmp_path / "shown").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-t digit", "did you mean 'digits'?"),
        ("", "Missing option '-t'"),
        ("-t digits --max-params 1m", "--max-params: '1m': params has no unit 'm'"),
        ("-t digits --max-latency fast", "--max-latency: 'fast' is no number for latency_p50_ms"),
        ("-t digits --max-memory 2ms", "--max-memory: '2ms': train_peak_mib has no unit 'ms'"),
        ("-t digits --where parms<1", "did you mean 'params'?"),
        ("-t digits --min-thruput 3", "--min-throughput"),
    ],
)
def test_wrong_words(words: str, said: str, results: Path) -> None:
    done = dlbench("pick", results, *words.split())
    assert done.code == 2
    assert said in " ".join(done.err.split())


def test_no_records(tmp_path: Path) -> None:
    done = dlbench("pick", "-t", "digits", tmp_path / "none")
    assert done.code == 2
    assert "there are no records" in done.err
