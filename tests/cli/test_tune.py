"""`dlbench tune`: trials, choice and rows of real cells, twice, after an interruption and after a kill."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from terminal import Done, dlbench

from dlbench.plan.study import Study
from dlbench.results import Results

pytest.importorskip("optuna")

SMALL = ("tune", "-t", "digits", "-m", "perceptron", "--set", "budget.epochs=0.3", "--no-profile", "--device", "cpu")
TUNE = (*SMALL, "--over", "lr=log:1e-3..10,3", "--seeds", 2)
TPE = (*SMALL, "--over", "lr=log:1e-3..10", "--over", "batch_size=16..64", "--sampler", "tpe", "--budget", 3,
       "--seeds", 1)  # fmt: skip


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "records").glob("*.json")}


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "leaderboard.csv").open() as file:
        return {row["variant"]: row for row in csv.DictReader(file)}


def verdict(done: Done) -> list[str]:
    """What was said of the trials and the choice."""
    return [line for line in done.out.splitlines() if line.startswith(("digits x", "  lr="))]


def chosen(done: Done) -> list[str]:
    return [line for line in done.out.splitlines() if line.startswith("  chosen:")]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    folder = tmp_path_factory.mktemp("tuned") / "runs"
    return folder, dlbench(*TUNE, "--results", folder)


@pytest.mark.slow
def test_the_best_on_validation_is_run_under_fresh_seeds(first: tuple[Path, Done]) -> None:
    folder, done = first
    assert done.code == 0, done.err
    label = "tuned lr=log:1e-3..10,3 in 3 trials, budget.epochs=0.3"
    found = rows(folder)
    trials = {f"tune, lr={lr}, budget.epochs=0.3" for lr in ("0.001", "0.1", "10")}
    assert found.keys() == {label, *trials}
    assert {found[trial]["seeds"] for trial in trials} == {"2"}
    worst = {}
    for record in Results(folder).records("custom"):
        if str(record["variant"]).startswith("tune,"):
            value = record["metrics"]["val"]["accuracy"]
            worst[record["recipe"]["lr"]] = min(value, worst.get(record["recipe"]["lr"], 1.0))
    assert len(worst) == 3
    best = max(worst, key=lambda lr: worst[lr])
    mine = [r for r in Results(folder).records("custom") if r["variant"] == label]
    assert [record["seed"] for record in mine] == [0, 1]
    assert {record["recipe"]["lr"] for record in mine} == {best}
    how = mine[0]["tuned"]
    assert (how["over"], how["sampler"], how["trials"]) == ({"lr": "log:1e-3..10,3"}, "grid", 3)
    assert (how["seeds"], how["metric"], how["chosen"]) == ([1000, 1001], "accuracy", {"lr": best})
    assert min(how["scores"]) == worst[best]
    assert mine[0]["layers"]["lr"] == "tune"
    assert (folder / "studies" / how["study"]).is_file()
    assert found[label]["tuned"] == f"lr={best} of log:1e-3..10,3; grid, 3 trials"
    assert ("range_edge" in found[label]["flags"]) == (best != 0.1)


@pytest.mark.slow
def test_what_is_shown_while_it_is_chosen_is_of_validation(first: tuple[Path, Done]) -> None:
    _, done = first
    lines = [line for line in done.err.splitlines() if line.startswith("[")]
    assert ["val accuracy" in line for line in lines] == [True] * 6 + [False] * 2
    assert ["test accuracy" in line for line in lines] == [False] * 6 + [True] * 2


@pytest.mark.slow
def test_twice_gives_the_same_trials_and_choice_and_trains_nothing(first: tuple[Path, Done]) -> None:
    folder, done = first
    before = stamps(folder)
    again = dlbench(*TUNE, "--results", folder)
    assert (again.code, verdict(again), chosen(again)) == (0, verdict(done), chosen(done))
    assert stamps(folder) == before
    assert "0 cells of trials run now." in again.out
    assert "0 run now, 2 found done." in again.out
    found = json.loads(dlbench(*TUNE, "--results", folder, "--json").out)
    assert [row["tuned"][:3] for row in found["rows"]] == ["lr="]


@pytest.mark.slow
def test_the_same_recipe_run_by_hand_is_a_row_that_was_not_tuned(first: tuple[Path, Done]) -> None:
    folder, _ = first
    (lr,) = {r["recipe"]["lr"] for r in Results(folder).records("custom") if r.get("tuned")}
    before = stamps(folder)
    words = ("run", *SMALL[1:5], "--set", f"lr={lr}", *SMALL[5:], "--seeds", 2, "--results", folder)
    assert dlbench(*words).code == 0
    assert stamps(folder) == before
    found = rows(folder)
    assert len(found) == 5
    assert [row["tuned"] for variant, row in found.items() if not variant.startswith("tuned")] == [""] * 4


@pytest.mark.slow
def test_every_choice_gets_as_many_trials_and_a_kill_changes_nothing(tmp_path: Path) -> None:
    """SIGKILL after three of twelve cells of trials."""
    words = (*TPE, "--each", "optimizer=sgd,adam")
    whole = dlbench(*words, "--results", tmp_path / "whole")
    assert whole.code == 0, whole.err
    assert [line for line in verdict(whole) if line.startswith("digits")] == [
        f"digits x perceptron under optimizer={name} (budget.epochs=0.3): 3 trials (tpe), accuracy on validation"
        for name in ("sgd", "adam")
    ]
    killed = tmp_path / "killed"
    code = "import sys; from dlbench.cli import main; main()"
    argv = [sys.executable, "-c", code, *map(str, words), "--results", str(killed)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})
    deadline = time.monotonic() + 120
    while len(stamps(killed)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = stamps(killed)
    assert 3 <= len(kept) < 12
    again = dlbench(*words, "--results", killed)
    assert (again.code, verdict(again), chosen(again)) == (0, verdict(whole), chosen(whole))
    assert {name: stamp for name, stamp in stamps(killed).items() if name in kept} == kept
    assert stamps(killed).keys() == stamps(tmp_path / "whole").keys()


@pytest.mark.slow
def test_an_interruption_between_trials_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell, told = Study.tell, []

    def interrupt(self: Study, number: int, worth: float) -> None:
        if number == 1:
            raise KeyboardInterrupt
        told.append(number)
        tell(self, number, worth)

    monkeypatch.setattr(Study, "tell", interrupt)
    done = dlbench(*TPE, "--results", tmp_path)
    assert (done.code, told) == (130, [0])
    assert "The same command goes on from here" in done.err
    before = stamps(tmp_path)
    assert len(before) == 4
    assert len(rows(tmp_path)) == 2
    monkeypatch.undo()
    again = dlbench(*TPE, "--results", tmp_path)
    assert again.code == 0
    assert "2 cells of trials run now." in again.out
    assert {name: stamp for name, stamp in stamps(tmp_path).items() if name in before} == before


@pytest.mark.slow
def test_trials_that_diverge_or_can_not_be_are_worst_and_end_nothing(tmp_path: Path) -> None:
    """SGD diverges at this rate; that Rprop has no weight decay is found while a trial is planned."""
    few = (*SMALL[:5], *SMALL[7:], "--set", "budget.steps=5", "--seeds", 1, "--results", tmp_path)
    done = dlbench(*few, "--over", "lr=0.1,1e38", "--over", "optimizer=sgd,rprop", "--over", "weight_decay=none,0.1")
    assert done.code == 0, done.err
    assert "lr=1e+38 optimizer=sgd weight_decay=none: diverged" in done.out
    assert "the optimizer rprop has no weight decay" in done.out
    (line,) = chosen(done)
    assert "lr=1e+38 optimizer=sgd" not in line
    assert "rprop weight_decay=0.1" not in line
    none = dlbench(*few, "--over", "lr=1e37,1e38", "--set", "optimizer=sgd")
    assert none.code == 3
    assert "none ended ok under both seeds: nothing is chosen" in none.out
    assert not any(variant.startswith("tuned lr=1e37") for variant in rows(tmp_path))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--over", "lr=log:1e-3"), "needs two bounds"),
        (("--over", "lr=1..0.1,3"), "lower bound below"),
        (("--over", "lr=log:0..1,3"), "log scale"),
        (("--over", "lr=0.1..1,1"), "whole number of points"),
        (("--over", "lrr=0.1,1"), "did you mean 'lr'?"),
        (("--over", "lr=0.1,1", "--over", "lr=1,2"), "names lr twice"),
        (("--over", "optimizer=adm,sgd"), "did you mean 'adam'?"),
        (("--over", "lr=0.1,1", "--budget", 0), "--budget takes 1 to 10000 trials, not 0"),
        (("--over", "lr=log:1e-4..1,25", "--sampler", "grid"), "the grid has 25 points and the budget is 20 trials"),
        (("--over", "lr=0.1,1", "--set", "lr=1"), "lr is tuned"),
        (("--over", "lr=0.1,1", "--each", "lr=1,2"), "lr is tuned"),
        (("--over", "lr=0.1,1", "--each", "clip=1..2"), "--each takes values"),
        (("--over", "lr=0.1,1", "--each", "optimizer=sgd"), "has one value"),
        (("--over", "lr=0.1,1", "--seeds", "1001,"), "are what trials are judged under"),
        (("--over", "lr=0.1,1", "-m", "gcn", "-t", "nothing"), "there is no task"),
    ],
)
def test_a_wrong_search_is_one_sentence_before_anything_runs(
    words: tuple[object, ...], sentence: str, tmp_path: Path
) -> None:
    done = dlbench(
        "tune", "-t", "digits", "-m", "perceptron", *words, "--device", "cpu", "--results", tmp_path / "runs"
    )
    assert done.code == 2
    assert done.err.startswith("dlbench: ")
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_it_says_what_is_missing() -> None:
    assert "say what to tune: -t TASK and -m MODEL, or --suite NAME" in dlbench("tune", "--over", "lr=1,2").err
    done = dlbench("tune", "-t", "digits", "-m", "gcn", "--over", "lr=1,2", "--device", "cpu")
    assert done.code == 2
    assert "there is nothing to tune: every pair was skipped" in done.err


def test_a_dry_run_says_what_would_be_tried(tmp_path: Path) -> None:
    words = ("tune", "-t", "digits", "-m", "perceptron", "-m", "gcn", "--over", "lr=log:1e-4..1,25", "--each",
             "optimizer=sgd,adam", "--device", "cpu", "--results", tmp_path / "runs", "--dry-run")  # fmt: skip
    done = dlbench(*words)
    assert done.out.splitlines()[:2] == [
        f"tune  digits x perceptron under optimizer={name}" for name in ("sgd", "adam")
    ]
    assert "skip  digits x gcn: " in done.out
    said = "Each: 20 trials of lr=log:1e-4..1,25 by tpe (the grid has 25 points and the budget is 20 trials)"
    assert said in done.out
    found = json.loads(dlbench(*words, "--json").out)
    assert [arm["trials"] for arm in found["arms"]] == [20, 20]
    assert not (tmp_path / "runs").exists()
