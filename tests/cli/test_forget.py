"""`dlbench forget`, and `dlbench table --stale`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from terminal import dlbench
from test_table import folder

from dlbench.results import Record, Results
from factories import cell, cells, profile


@pytest.fixture
def results(tmp_path: Path) -> Path:
    broken = {"model": {"name": "broken", "digest": "b"}}
    return folder(tmp_path / "runs", [*cells([0.9, 0.8]), profile(), cell(0.7, **broken),
                                      cell(seed=1, status="crashed", **broken)])  # fmt: skip


def state(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_dry_run_says_what_would_go_and_changes_nothing(results: Path) -> None:
    before = state(results)
    done = dlbench("forget", results, "--failed", "--dry-run")
    assert done.code == 0
    assert done.out == "would forget quick: digits x broken, cpu fp32 1 thread: 2 cells (1 crashed)\n"
    assert state(results) == before


def test_what_failed_goes_and_the_tables_are_written_anew(results: Path) -> None:
    done = dlbench("forget", results, "--failed")
    assert done.out.splitlines()[-1] == "removed 2 records"
    assert [r.status for r in Results(results).records("quick")] == ["ok"] * 3
    assert "broken" not in (results / "leaderboard.csv").read_text()
    assert dlbench("forget", results, "--failed").out == "nothing to forget\n"


def test_the_last_row_takes_the_tables_with_it(results: Path) -> None:
    (results / "leaderboard.csv").write_text("old")
    assert dlbench("forget", results, "--where", "mean != none").code == 0
    assert not (results / "leaderboard.csv").exists()
    assert list((results / "records").iterdir()) == []
    assert dlbench("table", results).code == 2


def test_a_record_that_another_suite_has_stays(results: Path) -> None:
    found = Results(results)
    first = found.records("quick")[0]
    found.assign("other", {json.dumps({"variant": ""}): first.name})
    done = dlbench("forget", results, "--where", "suite = 'quick' and model = 'mlp'")
    assert done.out.splitlines()[-1] == "removed 2 records; 1 stay, as other rows have them"
    assert [r.name for r in found.records("other")] == [first.name]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to forget: --where EXPR, --failed or --stale"),
        (["--where", "modle = 'x'"], "did you mean 'model'?"),
        (["--stale", "-p", "none.py"], "-p none.py: can't be imported"),
    ],
)
def test_wrong_words_change_nothing(words: list[str], said: str, results: Path) -> None:
    before = state(results)
    done = dlbench("forget", results, *words)
    assert done.code == 2
    assert said in done.err
    assert state(results) == before


def test_only_a_folder_that_runs_write_to_can_forget(results: Path, tmp_path: Path) -> None:
    assert dlbench("publish", results, "--to", tmp_path / "shown").code == 0
    for path in (tmp_path / "shown", tmp_path / "nothing"):
        done = dlbench("forget", path, "--failed")
        assert done.code == 2
        assert "is no results folder that runs write to" in done.err


# --- stale rows -------------------------------------------------------------------------------------------


def test_a_stale_row_is_listed_with_what_has_changed(tmp_path: Path) -> None:
    """Records of a run by today's program, of which one is made to come from another source of its model."""
    from dlbench.plan.catalog import discover
    from dlbench.plan.plan import Request, plan

    request = Request(models=("mlp", "perceptron"), tasks=("digits",), seeds=1, profiles=False,
                      data_root=tmp_path, cache=tmp_path)  # fmt: skip
    records = []
    for job in plan(discover(()), request).cells:
        made = cell(0.9).body
        digest = {"digest": "edited"} if job.model.name == "perceptron" else {}
        model, recipe = {**job.head["model"], **digest}, job.recipe.recipe.as_settings()
        records.append(Record({
            **made, **job.head, "model": model, "recipe": recipe, "layers": dict(job.recipe.layers), "protocol": 3,
            "name": job.name, "metrics": {"test": {job.head["task"]["metric"]["name"]: 0.9}},
        }))  # fmt: skip
    root = folder(tmp_path / "runs", records, "custom")
    (row,) = json.loads(dlbench("table", root, "--stale", "--format", "json").out)
    assert (row["model"], row["stale"]) == ("perceptron", "model")
    done = dlbench("table", root, "--stale", "--columns", "model,stale", "--format", "csv")
    assert done.out == "model,stale\nperceptron,model\n"
    dry = dlbench("forget", root, "--stale", "--dry-run")
    assert dry.out == "would forget custom: digits x perceptron, cpu fp32 1 thread: 1 cell\n"


def test_a_renamed_model_is_stale(results: Path) -> None:
    rows = json.loads(dlbench("table", results, "--stale", "--format", "json").out)
    assert "there is no model 'broken'" in {row["model"]: row["stale"] for row in rows}["broken"]
    assert dlbench("forget", results, "--stale", "--failed").out.splitlines()[-1] == "removed 2 records"
