"""`dlbench compare`: sides of one folder or two, and the gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from terminal import dlbench
from test_table import folder

from factories import cells

LOW, HIGH = [0.90, 0.91, 0.92, 0.93, 0.89], [0.930, 0.941, 0.949, 0.960, 0.922]
BF16 = {"runtime": {"precision": "bf16"}}
SIDES = ("--old", "precision = 'fp32'", "--new", "precision = 'bf16'")


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """One folder with two models in two precisions."""
    other = {"model": {"name": "other", "digest": "o"}}
    return folder(tmp_path / "both", [*cells(LOW), *cells(HIGH, **BF16), *cells(HIGH, **other),
                                      *cells(LOW, **other, **BF16)])  # fmt: skip


def test_two_precisions_of_one_folder(both: Path) -> None:
    done = dlbench("compare", both, "--match", "model,task", *SIDES, "--format", "json")
    assert done.code == 0, done.err
    assert {c["model"]: c["verdict"] for c in json.loads(done.out)} == {"mlp": "better", "other": "worse"}
    assert dlbench("compare", both, "--match", "model,task", *SIDES, "--gate").code == 1
    assert dlbench("compare", both, both, "--match", "model, task", *SIDES, "--format", "json").out == done.out


def test_a_gate_needs_something_to_stand_on(both: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "suites" / "suites").mkdir(parents=True)
    (tmp_path / "suites" / "suites" / "quick.json").write_text('{"squares": {}}')
    for sides in ((empty, both), (both, empty), (both, tmp_path / "suites")):
        done = dlbench("compare", *sides, "--gate")
        assert done.code == 2
        assert "there are no records under" in done.err
    elsewhere = folder(tmp_path / "elsewhere", cells(LOW, model={"name": "third"}))
    done = dlbench("compare", both, elsewhere, "--gate")
    assert done.code == 2
    assert "--gate needs rows that both sides have" in done.err
    assert dlbench("compare", both, elsewhere).code == 0


def test_a_folder_whose_records_cannot_be_read_fails_the_gate(both: Path, tmp_path: Path) -> None:
    broken = folder(tmp_path / "broken", cells(LOW))
    for path in (broken / "records").iterdir():
        path.write_text("{")
    done = dlbench("compare", both, broken, "--gate")
    assert done.code == 2
    assert f"--gate needs records on both sides, and there are none under {broken}" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what OLD is compared with"),
        (("--match", "model,task", "--old", "precision = 'fp32'"), "2 rows of the new results have model mlp"),
        (("--match", "modle", *SIDES), "did you mean 'model'?"),
        (("--match", ",", *SIDES), "--match takes keys of rows"),
        (("--match", "model", "--old", "params < 1", "--new", "params > 1"), "no row under"),
        (("--match", "model", "--old", "parms < 1"), "did you mean 'params'?"),
    ],
)
def test_wrong_words(words: tuple[str, ...], said: str, both: Path) -> None:
    done = dlbench("compare", both, *words)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""
