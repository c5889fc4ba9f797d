"""Verifications: what they hold, which count, what tables show of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlbench.errors import UsageError
from dlbench.integrity import read_sums
from dlbench.results import Record, load_by_suite
from dlbench.tables import leaderboard, selection
from dlbench.tables.publishing import publish, write_tables
from dlbench.tables.verifying import append
from factories import cell, cells, profile

FIGURES = {"metric": "accuracy", "was": 0.6, "now": 0.6, "interval": [0.4, 0.8]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (found,) = publish({"quick": [*row("mlp"), profile(), *row("gpt")]}, tmp_path)
    return found


def row(model: str, **changes: Any) -> list[Record]:
    return cells([0.5, 0.6, 0.7], model={"name": model}, **changes)


def verify(folder: Path, by: str, model: str = "mlp") -> Path:
    again = [(record, record) for record in row(model)]
    return append(folder, again, FIGURES, by=by, differs="what differs here: nothing", command="dlbench reproduce x")


def verified(folder: Path) -> dict[str, int]:
    frame = selection.derived(leaderboard.rows(load_by_suite(folder)))
    return {line["model"]: line["verified"] for line in selection.rows_of(frame)}


def test_a_verification_says_who_when_where_and_of_which_records(folder: Path) -> None:
    path = verify(folder, "Jane Doe")
    body = json.loads(path.read_text())
    assert (body["by"], body["suite"], body["row"]["model"]) == ("Jane Doe", "quick", "mlp")
    assert body["records"] == {
        record.name: min((read_sums(folder)[0] or {})[f"records/{record.name}.json"])
        for record in [*row("mlp"), profile()]
    }
    assert body["cells"] == {r.name: {"was": v, "now": v} for r, v in zip(row("mlp"), (0.5, 0.6, 0.7), strict=True)}
    assert {key: body[key] for key in FIGURES} == FIGURES
    assert body["environment"]["machine"] == "epyc-2c"
    assert (body["created"][:2], body["dlbench"]) == ("20", "0.1.0")
    assert path.name.startswith("Jane-Doe--20")


def test_people_count_once_each_and_tables_show_how_many(folder: Path) -> None:
    assert verified(folder) == {"gpt": 0, "mlp": 0}
    assert "verified" not in (folder / "leaderboard.csv").read_text()
    for by in ("Jane Doe", "jane doe ", "Ada"):
        verify(folder, by)
    assert verified(folder) == {"gpt": 0, "mlp": 2}
    found = load_by_suite(folder)
    for format in ("terminal", "md", "latex"):
        shown = leaderboard.render(leaderboard.rows(found), format)
        assert shown.count("verified 2") == 1
        assert shown.count("verified") == 1
    write_tables(folder)
    read = leaderboard.read_csv(folder / "leaderboard.csv")
    assert dict(zip(read["model"], read["verified"], strict=True)) == {"gpt": 0, "mlp": 2}
    kept = selection.where(selection.derived(leaderboard.rows(found)), "verified >= 1")
    assert list(kept["model"]) == ["mlp"]


def test_a_row_whose_records_change_loses_its_verifications_and_another_keeps_them(folder: Path) -> None:
    files = [verify(folder, "Jane", model) for model in ("mlp", "gpt")]
    again = cell(0.6, seed=1, model={"name": "mlp"}, created="2030-01-01T00:00:00Z")  # the same name, another body
    publish({"quick": [again]}, folder.parent.parent)
    assert verified(folder) == {"mlp": 0, "gpt": 1}
    assert load_by_suite(folder).problems == []
    assert all(file.is_file() for file in files), "the history stays"
    more = cell(0.6, seed=3, model={"name": "gpt"})
    publish({"quick": [more]}, folder.parent.parent)
    assert verified(folder) == {"mlp": 0, "gpt": 0}, "a row with one more seed is another row"


def test_verifications_travel_with_the_records_that_they_are_about(folder: Path, tmp_path: Path) -> None:
    verify(folder, "Jane")
    (copy,) = publish(load_by_suite(folder), tmp_path / "elsewhere")
    assert verified(copy) == {"mlp": 1, "gpt": 0}
    assert "verified" in (copy / "leaderboard.csv").read_text()


def test_records_that_no_row_has_any_more_cannot_be_verified(folder: Path) -> None:
    gone = [(record, record) for record in cells([0.5], model={"name": "other"})]
    with pytest.raises(UsageError, match="has no row of these records any more"):
        append(folder, gone, FIGURES, by="x", differs="", command="")
    for by in ("../../x", ".x", "***", "李"):
        path = verify(folder, by)
        assert path.parent == folder / "verifications"
        assert not path.name.startswith(".")
