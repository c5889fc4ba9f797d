"""dlbench.tables.forgetting and Results.forget: what goes, and what stays because something else needs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlbench.errors import UsageError
from dlbench.results import Record, Results
from dlbench.tables.forgetting import has_failed, to_forget
from factories import cell, cells, profile

A, B = ({"model": {"name": name, "digest": name}} for name in "ab")


def folder(root: Path, **by_suite: list[Record]) -> Results:
    """A results folder; each record has a log and a picture."""
    results = Results(root)
    for suite, records in by_suite.items():
        for record in records:
            results.save(record)
            results.log_path(record.name).parent.mkdir(exist_ok=True)
            results.log_path(record.name).write_text("log")
            results.pictures_path("x").parent.mkdir(exist_ok=True)
            results.pictures_path(f"{record.name}--samples.png").write_text("picture")
        results.assign(suite, {square(i, record): record.name for i, record in enumerate(records)})
    return results


def square(number: int, record: Record) -> str:
    return json.dumps({"number": number, "variant": record["variant"]})


def files(results: Results) -> set[str]:
    return {path.name for room in ("records", "logs", "pictures") for path in (results.root / room).iterdir()}


def models(results: Results, suite: str = "quick") -> list[str]:
    return [f"{r['model']['name']}{'' if r['seed'] is None else r['seed']}" for r in results.records(suite)]


def test_a_row_goes_with_its_profile_logs_and_pictures(tmp_path: Path) -> None:
    results = folder(tmp_path, quick=[*cells([0.9, 0.8], **A), profile(**A), *cells([0.7], **B)])
    found = to_forget(results, "model = 'a'")
    assert [len(records) for records in found.rows.values()] == [3]
    assert list(found.rows) == ["quick: digits x a, cpu fp32 1 thread"]
    gone = results.forget(found.squares)
    assert len(gone) == 3
    assert models(results) == ["b0"]
    (left,) = results.records("quick")
    assert files(results) == {f"{left.name}.json", f"{left.name}.log", f"{left.name}--samples.png"}


def test_what_another_suite_or_row_uses_stays(tmp_path: Path) -> None:
    shared = cells([0.9], **A)
    results = folder(tmp_path, quick=[*shared, *cells([0.7], **B)], other=shared)
    gone = results.forget(to_forget(results, "suite = 'quick' and model = 'a'").squares)
    assert gone == []
    assert (models(results), models(results, "other")) == (["b0"], ["a0"])
    assert results.forget(to_forget(results, "suite = 'other'").squares) == [shared[0].name]


def test_a_profile_that_another_row_shows_stays(tmp_path: Path) -> None:
    longer = {"recipe": {"budget.epochs": 99}, "variant": "long"}
    results = folder(tmp_path, quick=[*cells([0.9], **A), profile(**A), *cells([0.95], **A, **longer)])
    results.forget(to_forget(results, "variant = ''").squares)
    assert sorted(models(results)) == ["a", "a0"]
    assert {r["variant"] for r in results.records("quick") if not r.is_profile} == {"long"}
    results.forget(to_forget(results, "variant = 'long'").squares)
    assert models(results) == []


def test_a_row_with_a_failed_seed_goes_as_a_whole(tmp_path: Path) -> None:
    """Without its bad seed it would look better than it is."""
    bad = cell(seed=2, status="diverged", **A)
    results = folder(tmp_path, quick=[*cells([0.9, 0.8], **A), bad, *cells([0.7, 0.6], **B)])
    assert len(results.forget(to_forget(results, None, has_failed).squares)) == 3
    assert models(results) == ["b0", "b1"]


def test_of_a_row_whose_profile_alone_failed_the_profile_goes(tmp_path: Path) -> None:
    results = folder(tmp_path, quick=[*cells([0.9], **A), profile(status="oom", **A), *cells([0.7], **B)])
    results.forget(to_forget(results, None, has_failed).squares)
    assert models(results) == ["a0", "b0"]


def test_a_filter_and_a_reason_must_both_hold(tmp_path: Path) -> None:
    results = folder(tmp_path, quick=[cell(status="failed", **A), cell(status="failed", **B)])
    results.forget(to_forget(results, "model = 'b'", has_failed).squares)
    assert models(results) == ["a0"]


def test_older_records_of_a_row_go_with_it(tmp_path: Path) -> None:
    """The seed that an earlier program left isn't in the row, but it would be one when the row is gone."""
    old = cell(0.1, seed=1, created="2025-01-01T00:00:00Z", model={"name": "a", "digest": "old"})
    results = folder(tmp_path, quick=[cell(0.9, seed=0, **A), old, *cells([0.7], **B)])
    results.forget(to_forget(results, "model = 'a'").squares)
    assert models(results) == ["b0"]


def test_a_square_that_was_taken_over_meanwhile_stays(tmp_path: Path) -> None:
    old, new = cell(0.9, **A), cell(0.8, model={"name": "a", "digest": "newer"})
    results = folder(tmp_path, quick=[old])
    squares = to_forget(results, "model = 'a'").squares
    results.save(new)
    results.assign("quick", {square(0, old): new.name})
    assert results.forget(squares) == []
    assert [r.name for r in results.records("quick")] == [new.name]


def test_how_a_row_was_tuned_is_forgotten_with_it(tmp_path: Path) -> None:
    results, how = (
        folder(tmp_path, quick=[*cells([0.9], **A), *cells([0.8], **B)]),
        {"over": {}, "chosen": {}, "sampler": "grid", "trials": 1},
    )
    squares = results.squares("quick")
    results.assign("quick", squares, dict.fromkeys(squares, how))
    results.forget(to_forget(results, "model = 'a'").squares)
    index = json.loads((tmp_path / "suites" / "quick.json").read_text())
    assert list(index["tuned"]) == list(index["squares"])
    assert len(index["squares"]) == 1


def test_a_crash_after_the_grids_are_written_leaves_a_folder_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = folder(tmp_path, quick=[*cells([0.9], **A), *cells([0.8], **B)])

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    squares = to_forget(results, "model = 'a'").squares
    monkeypatch.setattr(Results, "_remove", crash)
    with pytest.raises(KeyboardInterrupt):
        results.forget(squares)
    assert models(Results(tmp_path)) == ["b0"]
    assert Results(tmp_path).everything().problems == []


def test_nothing_holds_and_what_cannot_be_read(tmp_path: Path) -> None:
    results = folder(tmp_path, quick=cells([0.9], **A))
    assert to_forget(results, "mean > 1").squares == {}
    with pytest.raises(UsageError, match="position 1"):
        to_forget(results, "modle = 'a'")
