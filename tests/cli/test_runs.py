"""The verbs that run cells: resume, fresh, missing and unverified data, publish, reproduce, a generated plugin."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from terminal import Done, dlbench

from dlbench.cli.again import asked
from dlbench.cli.reproduce import lines, verdict
from dlbench.errors import UsageError
from dlbench.results import Record, read_record

TINY = ("run", "-t", "digits", "-m", "perceptron", "--seeds", 1, "--set", "budget.epochs=1", "--no-profile",
        "--device", "cpu")  # fmt: skip
CONTENT = b"round and grey"
PLUGIN = f"""
from dlbench import Classes, DataFile, DataSet, Metric, TaskSpec, Vector

FILES = DataSet(name="pebbles", files=(
    DataFile(path="beach/pebbles.bin", sha256="{hashlib.sha256(CONTENT).hexdigest()}"),), licence="free as the sea")

def load(data):
    from workshop import Blobs
    assert data.path("beach/pebbles.bin").read_bytes()
    return Blobs()

def dlbench_tasks():
    yield TaskSpec(name="pebbles", input_kind=Vector, output_kind=Classes, load=load, unit="pebble", data=FILES,
                   metric=Metric(name="accuracy"), floor=0.5, recipe={{"budget.epochs": 5, "lr": 0.1}})

def dlbench_cell_finished(record):
    raise ConnectionError("the tracker is down")
"""


@pytest.fixture
def beach(tmp_path: Path) -> Path:
    """A plugin whose task reads a file that can't be fetched."""
    path = tmp_path / "beach.py"
    path.write_text(PLUGIN)
    return path


def put(root: Path, content: bytes) -> Path:
    (root / "beach").mkdir(parents=True, exist_ok=True)
    (root / "beach" / "pebbles.bin").write_bytes(content)
    return root


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "records").glob("*.json")}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    folder = tmp_path_factory.mktemp("first") / "runs"
    return folder, dlbench(*TINY, "--results", folder)


@pytest.mark.slow
def test_a_run_leaves_records_tables_and_says_how_many(first: tuple[Path, Done]) -> None:
    folder, done = first
    assert done.code == 0, done.err
    assert "digits x perceptron" in done.err
    assert "1 run now, 0 found done" in done.out
    (row,) = csv.DictReader((folder / "leaderboard.csv").open())
    assert (row["model"], row["status"], row["seeds"]) == ("perceptron", "ok", "1")
    (name,) = stamps(folder)
    record = read_record(folder / "records" / name)
    assert float(row["mean"]) == pytest.approx(record["metrics"]["test"]["accuracy"])
    assert record["command"].startswith("dlbench run -t digits -m perceptron")
    assert record["model"]["plugin_version"]
    metrics = {(r["split"], r["metric"]) for r in csv.DictReader((folder / "metrics.csv").open())}
    assert ("val", "cross_entropy") in metrics


def test_a_second_run_runs_nothing_and_prints_the_same_row(first: tuple[Path, Done]) -> None:
    folder, _ = first
    before = stamps(folder)
    again = dlbench(*TINY, "--results", folder, "--json")
    assert again.code == 0
    assert stamps(folder) == before
    found = json.loads(again.out)
    assert [row["model"] for row in found["rows"]] == ["perceptron"]
    assert found["skips"] == []
    assert "0 run now, 1 found done" in dlbench(*TINY, "--results", folder).out


def test_a_dry_run_marks_what_is_done(first: tuple[Path, Done]) -> None:
    folder, _ = first
    before = stamps(folder)
    words = [*TINY, "--results", folder, "--dry-run"]
    done = dlbench(*words)
    assert done.out.splitlines()[0].startswith("done  digits x perceptron")
    assert done.out.splitlines()[-1] == "To run: 0 cells and 0 profiles. Done: 1. Skipped: 0 pairs."
    assert [job["done"] for job in json.loads(dlbench(*words, "--json").out)["jobs"]] == [True]
    assert dlbench(*words, "--fresh").out.splitlines()[0].startswith("run   digits x perceptron")
    assert stamps(folder) == before


@pytest.mark.slow
def test_fresh_runs_again_and_gets_the_same_metrics(first: tuple[Path, Done]) -> None:
    folder, _ = first
    before, (name,) = stamps(folder), stamps(folder)
    old = read_record(folder / "records" / name)
    again = dlbench(*TINY, "--results", folder, "--fresh")
    assert "1 run now, 0 found done" in again.out
    assert stamps(folder).keys() == before.keys()
    assert stamps(folder) != before
    assert read_record(folder / "records" / name)["metrics"] == old["metrics"]


def test_publish_then_table_then_name_a_row(first: tuple[Path, Done], tmp_path: Path) -> None:
    folder, _ = first
    done = dlbench("publish", folder, "--to", tmp_path / "public")
    (table,) = (tmp_path / "public" / "custom").glob("*/leaderboard.csv")
    assert done.out == f"published {table}: 1 new\n"
    assert "perceptron" in dlbench("table", tmp_path / "public").out
    (path,) = table.parent.glob("records/*.json")
    assert str(folder) not in path.read_text()
    assert [path.name] == [*stamps(folder)]
    for what in (f"{table}:1", str(table), f"{table}:1-1,1"):
        (row,) = asked(what)
        assert row.records == [read_record(path)]
    with pytest.raises(UsageError, match="has rows 1 to 1, not 2"):
        asked(f"{table}:1-2")


@pytest.mark.slow
def test_reproduce_says_what_is_equal_and_what_is_not(first: tuple[Path, Done], tmp_path: Path) -> None:
    folder, _ = first
    (name,) = stamps(folder)
    body = json.loads((folder / "records" / name).read_text())
    body["metrics"]["test"]["accuracy"] -= 0.25
    (tmp_path / "record.json").write_text(json.dumps(body))
    done = dlbench("reproduce", tmp_path / "record.json", "--results", tmp_path / "again")
    assert done.code == 3
    said = {line.split(": test ")[1].split()[0]: line for line in done.out.splitlines() if ": test " in line}
    assert said["accuracy"].endswith("differs by +0.25 (same sources, data and recipe)")
    assert said["cross_entropy"].endswith("equal (same sources, data and recipe)")
    assert "what differs here: nothing that was recorded of machine and versions" in done.out
    assert "is not within 1e-5 of" in done.out
    again = read_record(tmp_path / "again" / "records" / name)
    assert again["metrics"]["val"] == body["metrics"]["val"]
    (tmp_path / "newer.json").write_text(json.dumps({**body, "schema": 99}))
    newer = dlbench("reproduce", tmp_path / "newer.json")
    assert (newer.code, "written by a newer dlbench" in newer.err) == (2, True)


@pytest.mark.slow
def test_reproduce_elsewhere_says_what_differs_and_whether_the_value_lies_inside(
    first: tuple[Path, Done], tmp_path: Path
) -> None:
    """The record of another machine, whose rounding was another, beside three more seeds of its row; then with values
    that this machine doesn't come near."""
    folder, _ = first
    (name,) = stamps(folder)
    body = json.loads((folder / "records" / name).read_text())
    body["environment"] |= {"cpu": "Abacus 9000", "torch": "2.0.0"}
    right = body["metrics"]["test"]["accuracy"]
    for shift, code, where in ((0.0, 0, "inside"), (0.3, 3, "outside")):
        place = tmp_path / where / "records"
        place.mkdir(parents=True)
        for seed in range(4):
            body["metrics"]["test"]["accuracy"] = right - 0.003 - shift + 0.002 * seed
            other = body if seed == 0 else {**body, "seed": seed, "name": f"other-{seed}"}
            (place / f"{other['name']}.json").write_text(json.dumps(other))
        done = dlbench("reproduce", place / name, "--results", tmp_path / f"again-{where}")
        assert done.code == code, done.out + done.err
        assert f"lies {where} the stored interval, " in done.out
        (differs,) = [line for line in done.out.splitlines() if line.startswith("what differs here: ")]
        assert "cpu was Abacus 9000, is " in differs
        assert "torch was 2.0.0, is " in differs


def a_pair(was: float, now: float) -> list[tuple[Record, Record | None]]:
    from factories import cell

    return [(cell(was), cell(now))]


@pytest.mark.parametrize(
    ("now", "interval", "inside"),
    [(0.91, (0.89, 0.92), True), (0.93, (0.89, 0.92), False), (0.88, (0.89, 0.92), False), (0.9, (0.95, 0.96), True),
     (0.9000001, (0.9, 0.9), True), (0.9001, (0.9, 0.9), False), (0.9, None, True), (0.9001, None, False)],
)  # fmt: skip
def test_a_value_is_held_against_the_stored_interval(
    now: float, interval: tuple[float, float] | None, inside: bool
) -> None:
    (found,) = verdict(a_pair(0.9, now), interval)
    assert found[1] is inside, found[0]


def test_a_row_is_held_against_its_own_interval(tmp_path: Path) -> None:
    from dlbench.tables.publishing import publish
    from factories import cells

    records = cells([0.9, 0.91, 0.95])
    (folder,) = publish({"quick": records}, tmp_path / "three")
    (row,) = asked(f"{folder}/leaderboard.csv:1")
    low, high = row.interval or (0.0, 0.0)
    assert 0.8 < low < 0.9 < 0.95 < high < 1
    (folder,) = publish({"quick": records[:2]}, tmp_path / "two")
    (row,) = asked(f"{folder}/leaderboard.csv:1")
    assert row.interval is None


def test_reproducing_what_failed_says_whether_it_fails_again() -> None:
    def record(status: str, reason: str) -> Record:
        return Record({"name": "x", "type": "cell", "status": status, "reason": reason})

    old = record("diverged", "the loss became nan")
    (line, same) = lines(old, record("diverged", "the loss became inf"))[0]
    assert same
    assert "diverged again (the loss became inf" in line
    (line, same) = lines(old, Record({"name": "x", "type": "cell", "status": "ok", "reason": ""}))[0]
    assert not same
    assert "was diverged, now ok" in line


@pytest.mark.slow
def test_missing_files_are_a_row_then_refused_then_flagged(beach: Path, tmp_path: Path) -> None:
    def run(*more: object) -> tuple[Done, Any]:
        what = ("-p", beach, "-t", "pebbles", "-m", "perceptron", "--seeds", 1, "--no-profile", "--device", "cpu")
        done = dlbench("run", *what, "--data", tmp_path / "root", "--results", tmp_path / "runs", *more)
        names = json.loads((tmp_path / "runs" / "suites" / "custom.json").read_text())["squares"].values()
        (record,) = [read_record(tmp_path / "runs" / "records" / f"{name}.json") for name in names]
        return done, record

    for more in (["--offline"], []):  # offline or not: nobody gives an address
        done, record = run(*more)
        assert (done.code, record.status) == (3, "no_data")
        assert "no_data" in done.out
        assert "dlbench data path pebbles" in record["reason"]
    assert "pebbles" in done.err
    put(tmp_path / "root", b"sand")
    done, record = run("--offline")
    assert (done.code, record.status) == (3, "no_data")
    assert "give --unverified-data" in record["reason"]
    done, record = run("--unverified-data")
    assert done.code == 0, done.err
    assert (record.status, record["flags"], record["task"]["data"]) == ("ok", ["unverified_data"], "unverified")
    assert "unverified_data" in (tmp_path / "runs" / "leaderboard.csv").read_text()
    assert record["model"]["plugin"] == "mlp"
    assert done.err.count("dlbench_cell_finished raised ConnectionError: the tracker is down") == 1


def test_data_list_path_verify_fetch(beach: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"

    def data(verb: str, *names: str) -> Done:
        return dlbench("data", verb, *names, "-p", beach, "--data", root)

    def state() -> str:
        (line,) = [line for line in data("list").out.splitlines() if line.startswith("pebbles")]
        assert "by hand" in line
        assert "free as the sea" in line
        return line.split()[1]

    assert data("path").out == f"{root}\n"
    assert data("path", "pebbles").out == f"{root / 'beach' / 'pebbles.bin'}\n"
    assert state() == "missing"
    missing = data("verify", "pebbles")
    assert (missing.code, missing.out) == (1, "pebbles: 1 of 1 files missing, first beach/pebbles.bin\n")
    assert data("verify").code == 0  # what nobody asked for may be missing
    fetched = data("fetch", "pebbles")
    assert fetched.code == 2
    assert "beach/pebbles.bin" in fetched.err
    put(root, b"sand")
    assert state() == "unverified"
    assert (data("verify").code, data("verify", "pebbles").code) == (1, 1)
    put(root, CONTENT)
    assert state() == "verified"
    good = data("verify", "pebbles")
    assert (good.code, good.out) == (0, "pebbles: 1 of 1 files verified\n")
    assert data("fetch", "pebbles").out == "pebbles: 0 files fetched, 1 were here\n"


def test_verify_real_files(data_root: Path) -> None:
    done = dlbench("data", "verify", "mnist", "--data", data_root)
    assert (done.code, done.out) == (0, "mnist: 4 of 4 files verified\n")
