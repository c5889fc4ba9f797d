"""Records: files, done or not, squares, atomic writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlbench.results import STATUSES, Record, Results, is_done, load_by_suite, now, read_record, slug, write_json
from factories import cell, profile

S0, S1 = (json.dumps({"seed": seed, "variant": ""}) for seed in (0, 1))


def test_a_record_comes_back_with_fields_that_this_version_does_not_know(tmp_path: Path) -> None:
    results = Results(tmp_path / "runs")
    record = cell(0.9, carbon_g=12.5)
    record.body["model"]["weights"] = {"new": [1, None]}
    path = results.save(record)
    assert path == tmp_path / "runs" / "records" / f"{record.name}.json"
    again = results.load(record.name)
    assert again == record
    assert again is not None
    assert again["carbon_g"] == 12.5
    assert again.get("nothing", "default") == "default"
    results.save(again)
    assert json.loads(path.read_text()) == record.body


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', "\x00\xff"])
def test_a_file_that_is_no_record_is_not_loaded(tmp_path: Path, text: str) -> None:
    results = Results(tmp_path)
    path = results.save(cell())
    path.write_bytes(text.encode("latin-1"))
    assert results.load(path.stem) is None
    (said,) = results.problems
    assert said.startswith(f"{path} is not a record: ")
    with pytest.raises(ValueError, match=r"."):
        read_record(path)


NO_LIMIT: dict[str, Any] = {"timeout_s": None, "memory_bytes": None}


@pytest.mark.parametrize("status", STATUSES)
def test_what_counts_as_done_under_the_same_limits(status: str) -> None:
    limits = {"timeout_s": 60, "memory_bytes": 1 << 30}
    assert is_done(cell(status=status, limits=limits), limits) == (status != "no_data")


@pytest.mark.parametrize(("status", "key"), [("timeout", "timeout_s"), ("oom", "memory_bytes")])
def test_a_limit_that_was_met_is_tried_again_only_under_a_higher_one(status: str, key: str) -> None:
    record = cell(status=status, limits={**NO_LIMIT, key: 100})
    assert is_done(record, {**NO_LIMIT, key: 99})
    assert is_done(record, {**NO_LIMIT, key: 100})
    assert not is_done(record, {**NO_LIMIT, key: 101})
    assert not is_done(record, NO_LIMIT)
    other = "memory_bytes" if key == "timeout_s" else "timeout_s"
    assert is_done(record, {key: 100, other: None})
    assert is_done(cell(status=status, limits=NO_LIMIT), NO_LIMIT)  # the machine's own limit: no higher one to give
    assert not is_done(None, NO_LIMIT)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": "x" * 100_000, "b": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in path.parent.iterdir() if p.suffix == ".json"] == ["file.json"]
    write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}


def test_newer_records_take_the_squares_over_and_others_stay(tmp_path: Path) -> None:
    results = Results(tmp_path)
    old, new, other = cell(0.1, seed=0), cell(0.2, seed=0, model={"digest": "m2"}), cell(0.3, seed=1)
    assert old.name != new.name
    for record in (old, new, other):
        results.save(record)
    results.assign("quick", {S0: old.name, S1: other.name})
    assert results.records("quick") == [old, other]
    results.assign("quick", {S0: new.name})
    assert results.records("quick") == [new, other]
    results.assign("vision", {S0: "not-run-yet", S1: other.name})
    assert results.suites() == ["quick", "vision"]
    assert [(record.name, record["suite"]) for record in results.records("vision")] == [(other.name, "vision")]
    assert results.records("nothing") == []


def test_how_a_recipe_was_found_belongs_to_the_square(tmp_path: Path) -> None:
    """One record may stand for a tuned row and, made by chance before or after, for an ordinary one."""
    results, how = Results(tmp_path), {"chosen": {"lr": 0.1}}
    ordinary, tuned = cell(0.1, seed=0), cell(0.2, seed=1, tuned=how, square=S1)
    for record in (ordinary, tuned):
        results.save(record)
    results.assign("quick", {S0: ordinary.name, S1: tuned.name}, {S0: how, S1: how})
    assert [record.get("tuned") for record in results.records("quick")] == [how, how]
    results.assign("quick", {S0: ordinary.name})
    assert [record.get("tuned") for record in results.records("quick")] == [None, how]
    results.assign("vision", {S1: tuned.name})
    assert [record.get("tuned") for record in results.records("vision")] == [None]
    (tmp_path / "suites" / "quick.json").write_text("{")
    assert [record.get("tuned") for record in Results(tmp_path).records("quick")] == [how]


def test_records_are_found_in_a_folder_a_published_folder_and_a_file(tmp_path: Path) -> None:
    first, second = cell(0.1), profile(suite="vision")
    results = Results(tmp_path / "runs")
    path = results.save(first)
    results.assign("quick", {S0: first.name})
    assert load_by_suite(tmp_path / "runs") == {"quick": [first]}
    assert load_by_suite(path) == {"quick": [first]}
    for record, folder in ((first, "quick"), (second, "vision")):
        write_json(tmp_path / "public" / folder / "machine" / "records" / f"{record.name}.json", record.body)
    by_suite = load_by_suite(tmp_path / "public")
    assert by_suite == {"quick": [first], "vision": [second]}
    assert [r.is_profile for r in (first, second)] == [False, True]
    with pytest.raises(FileNotFoundError, match="there are no records under"):
        load_by_suite(tmp_path / "elsewhere")


def test_names_for_files_hold_no_surprises() -> None:
    assert slug("cifar10[source=sheets]") == "cifar10-source=sheets"
    assert slug("../../etc/x y") == "..-..-etc-x-y"
    assert "/" not in slug("timm:vit/b*?")
    assert len(now()) == 20
    assert now().endswith("Z")
    assert Record({"name": 3, "status": "ok"}).name == "3"


BROKEN = {
    "schema": 2, "name": "../up", "status": "fine", "seed": None, "metrics": None, "recipe": {"batch_size": 1e30},
    "task": {}, "model": [], "runtime": {"device": "cpu"}, "environment": None,
}  # fmt: skip


@pytest.mark.parametrize("field", BROKEN)
def test_a_record_that_a_reader_could_not_use_is_named_and_the_others_are_shown(tmp_path: Path, field: str) -> None:
    results = Results(tmp_path)
    good, bad = cell(0.5, seed=0), cell(0.7, seed=1)
    for record in (good, bad):
        results.save(record)
    path = tmp_path / "records" / f"{bad.name}.json"
    write_json(path, {**bad.body, field: BROKEN[field]})
    for index in (False, True):
        if index:
            results.assign("quick", {S0: good.name, S1: bad.name})
        found = load_by_suite(tmp_path)
        assert found == {"quick": [good]}
        (said,) = found.problems
        assert said.startswith(str(path))


def test_processes_that_assign_together_lose_no_square(tmp_path: Path) -> None:
    script = (
        "import sys, json, pathlib\nfrom dlbench.results import Results\n"
        "r = Results(pathlib.Path(sys.argv[1]))\n"
        "for k in range(20):\n    r.assign('custom', {json.dumps({'n': sys.argv[2], 'k': k}): f'{sys.argv[2]}-{k}'})"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(n)]) for n in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    assert len(Results(tmp_path).squares("custom")) == 80


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"squares": 3}', '{"squares": {"a": 1}}', '{"squares": {}, "tuned": 3}',
             '{"squares": {}, "tuned": {"a": 1}}'],
)  # fmt: skip
def test_a_broken_index_is_made_again_from_the_records_and_said(tmp_path: Path, text: str) -> None:
    results = Results(tmp_path)
    old = cell(0.1, seed=0, square=S0, created="2026-01-01T00:00:00Z")
    new = cell(0.2, seed=0, square=S0, created="2026-01-02T00:00:00Z", model={"digest": "m2"})
    for record in (new, old):
        results.save(record)
    results.assign("quick", {S0: old.name})
    (tmp_path / "suites" / "quick.json").write_text(text)
    assert Results(tmp_path).squares("quick") == {S0: new.name}
    found = load_by_suite(tmp_path)
    assert found == {"quick": [new]}
    assert "quick.json can't be read" in found.problems[0]
    results.assign("quick", {S1: old.name})
    assert Results(tmp_path).squares("quick") == {S0: new.name, S1: old.name}
