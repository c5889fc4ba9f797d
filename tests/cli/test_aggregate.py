"""`dlbench aggregate`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from terminal import dlbench

from dlbench.results import Results
from factories import cells


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for name, better in (("one", 0.1), ("two", -0.1)):
        made = Results(tmp_path / name)
        given = [
            record
            for model, value in (("x", 0.6), ("y", 0.6 + better))
            for record in cells([value] * 3, model={"name": model}, task={"name": name})
        ]
        for record in given:
            made.save(record)
    return tmp_path


def test_several_folders_are_one_table_and_the_notes_of_a_file_go_elsewhere(results: Path) -> None:
    shown = dlbench("aggregate", results / "one", results / "two")
    assert shown.code == 0
    assert shown.out.startswith("quick · cpu fp32 1 thread · epyc-2c · torch 2.15.0\n")
    assert "Elo has no interval under ten tasks." in shown.out
    written = dlbench("aggregate", results / "one", results / "two", "--format", "csv")
    assert [line.split(",")[2:5] for line in written.out.splitlines()] == [
        ["model", "tasks", "covered"], ["x", "2", "2"], ["y", "2", "2"],
    ]  # fmt: skip
    assert "Elo has no interval under ten tasks." in written.err
    assert "method,task,seed,metric_error" in dlbench("aggregate", results, "--format", "bencheval").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--suite", "quik"], "did you mean 'quick'?"),
        (["--anchor", "z"], "there is no competitor 'z'"),
        (["--over", "treatment"], "there are no scores to aggregate over treatments"),
        (["--over", "tasks"], "'tasks' is not one of"),
    ],
)
def test_wrong_words(results: Path, words: list[str], said: str) -> None:
    done = dlbench("aggregate", results, *words)
    assert done.code == 2
    assert said in " ".join(done.err.split())


def test_a_broken_record_is_named_and_the_others_count(results: Path) -> None:
    (results / "one" / "records" / "broken.json").write_text("{")
    done = dlbench("aggregate", results / "one")
    assert done.code == 3
    assert "broken.json" in done.err
    assert "1/1" in done.out


def test_torch_is_not_imported(results: Path) -> None:
    code = "import sys\nfrom dlbench.cli import main\ntry:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    words = ["aggregate", str(results / "one")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
