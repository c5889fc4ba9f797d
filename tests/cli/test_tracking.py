"""`dlbench run --track`: what it takes, and that runs are followed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from terminal import dlbench

from workshop import planned


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("tensorbord", "there is no tracker 'tensorbord'; did you mean 'tensorboard'?"),
        ("wandb[projct=x]", "there is no option of wandb 'projct'; did you mean 'project'?"),
        ("wandb[project=3]", "option 'project' of wandb needs str, not 3"),
    ],
)
def test_a_wrong_tracker_ends_the_command_before_anything_runs(words: str, said: str, tmp_path: Path) -> None:
    run = ["run", "-p", "dlbench_track", "-m", "constant", "-t", "digits", "--results", tmp_path / "r"]
    done = dlbench(*run, "--track", words)
    assert (done.code, done.err) == (2, f"dlbench: {said}\n")
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_a_run_is_followed_live_and_its_rows_are_what_they_are_without(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    results = tmp_path / "r"
    run = ["run", "-p", "dlbench_track", "-m", "perceptron", "-t", "digits", "--seeds", "1", "--no-profile"]
    done = dlbench(*run, "--results", results, "--track", "tensorboard", "--set", "budget.epochs=2")
    assert done.code == 0, done.err
    assert "tracker" not in done.err
    (file,) = (results / "records").iterdir()
    saved = json.loads(file.read_text())
    (place,) = (results / "tensorboard").iterdir()
    assert place.name == saved["name"]
    events = EventAccumulator(str(place))
    events.Reload()
    (curve,) = saved["curves"]
    losses, (end,) = events.Scalars("loss"), events.Scalars("end/test/accuracy")
    assert [event.step for event in losses] == [point["step"] for point in curve]
    assert [event.value for event in losses] == pytest.approx([point["loss"] for point in curve])
    assert end.value == pytest.approx(saved["metrics"]["test"]["accuracy"])
    assert losses[0].wall_time < losses[-1].wall_time <= end.wall_time
    assert saved["name"] == planned("perceptron", "digits", {"budget.epochs": 2}).jobs[0].name
