"""What a run shows while it goes and when it has ended, with a clock of its own."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dlbench import Block, ProfileProtocol
from dlbench.cli.closing import closing, following
from dlbench.cli.forecast import Forecast, duration
from dlbench.cli.outline import outline, ranges
from dlbench.cli.progress import Display, Terminal
from dlbench.contract.choice import Choice
from dlbench.plan.plan import Job, Plan, Skip
from factories import cell, profile

CLEAR = "\r\x1b[2K"
LONG = "encoder[attention=truncated,depth=1,heads=2,positions=sinusoidal,width=64]"


def job(seed: int | None = 0, model: str = "mlp", task: str = "digits") -> Any:
    protocol = None if seed is not None else ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.5, launches=3)
    it = SimpleNamespace(name=f"{task}--{model}--{seed}", model=Choice.parse(model), task=Choice.parse(task), seed=seed,
                         variant="", protocol=protocol, block=Block(models=(), tasks=()))  # fmt: skip
    it.row = Job.row.fget(it)  # type: ignore[attr-defined]
    it.title = Job.title.fget(it)  # type: ignore[attr-defined]
    return it


def point(share: float, seconds: float) -> dict[str, Any]:
    return {"share": share, "seconds": seconds, "epoch": 10 * share, "metric": "accuracy", "value": 0.95,
            "unit": "fraction"}  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


# --- the time that is left --------------------------------------------------------------------------------


def test_the_start_is_not_stretched_over_the_training() -> None:
    clock, one = Clock(), job()
    forecast = Forecast(clock)
    forecast.begins([one], [], 1)
    forecast.started(one)
    assert forecast.of(one) is None
    assert forecast.of_run() is None
    clock.now += 32  # 30 s of which were torch and the data
    forecast.point(one, point(0.1, seconds=2))
    assert forecast.of(one) == pytest.approx(18)
    clock.now += 3  # with the evaluation, which the training clock leaves out
    forecast.point(one, point(0.2, seconds=4))
    assert forecast.of(one) == pytest.approx(3 * 8)
    clock.now += 4
    assert forecast.of(one) == forecast.of_run() == pytest.approx(20)
    clock.now += 100
    assert forecast.of(one) == 0


def test_the_run_s_time_counts_what_is_still_to_come() -> None:
    clock = Clock()
    cells = [job(seed, model) for model in ("mlp", "gpt") for seed in (0, 1)]
    forecast = Forecast(clock)
    forecast.begins(cells, [job(None)], 1)
    profile_s = 3 * 4 * (0.5 + 5 * 0.1)
    for index, start in enumerate((30, 2)):  # the first start is the server's
        forecast.started(cells[index])
        clock.now += start + 5
        forecast.point(cells[index], point(0.5, seconds=5))
        assert forecast.of_run() == pytest.approx(5 + (3 - index) * 10 + profile_s)
        clock.now += 5
        forecast.ended(cells[index])
    assert forecast.of_run() == pytest.approx(2 * (2 + 10) + profile_s)
    forecast.started(cells[2])
    clock.now += 3 + 40
    forecast.point(cells[2], point(0.5, seconds=40))
    clock.now += 40
    forecast.ended(cells[2])
    assert forecast.of_run() == pytest.approx(2 + 80 + profile_s)  # as the other gpt, and a start
    forecast.left_out("gpt", "digits")
    assert forecast.of_run() == pytest.approx(profile_s)
    forecast.launch(job(None), 1)
    clock.now += 7
    forecast.launch(job(None), 2)
    assert forecast.of_run() == pytest.approx(2 * 7)


def test_cells_at_once_take_their_share() -> None:
    clock, cells = Clock(), [job(seed) for seed in range(5)]
    forecast = Forecast(clock)
    forecast.begins(cells, [], 4)
    forecast.started(cells[0])
    clock.now += 10
    forecast.point(cells[0], point(1.0, seconds=10))
    forecast.ended(cells[0])
    assert forecast.of_run() == pytest.approx(10)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (99, "99 s"), (100, "2 min"), (5940, "99 min"), (7500, "2 h 05 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# --- the lines --------------------------------------------------------------------------------------------


def shown(monkeypatch: pytest.MonkeyPatch, width: int, model: str = "mlp") -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    stream, clock, cells = io.StringIO(), Clock(), [job(0, model), job(1, model)]
    display = Terminal(stream, clock)
    display.begins(cells, [job(None, model)], 1)
    display.started(cells[0], 0, 2)
    clock.now += 12
    display.progress(cells[0], point(0.5, seconds=10))
    display.finished(cells[0], cell(0.97))
    display.skipped(Skip("quick", "gcn", "digits", "it doesn't fit " * 20))
    display.started(job(None, model), 0, 1)
    display.progress(job(None, model), {"launch": 2, "launches": 3})
    return stream.getvalue().replace("\n", CLEAR).split(CLEAR)


def test_a_line_says_what_starts_and_that_a_score_is_of_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, 120)
    for line in (
        "To run: 2 cells and 1 profile.",
        "[1/2] digits x mlp, seed 0: loading data and model",
        "[1/2] digits x mlp, seed 0: epoch 5, validation accuracy 95.00 %, 10 s left (run: 42 s)",
        "[1/2] digits x mlp, seed 0: test accuracy 97.00 % in 12.0 s",
        "[0/1] digits x mlp, profile: timing, process 2 of 3 (run: 18 s)",
    ):
        assert line in lines, lines


@pytest.mark.parametrize("width", [60, 80, 100, 120])
@pytest.mark.parametrize("model", ["mlp", LONG])
def test_no_line_is_wider_than_the_terminal_and_no_word_broken(
    width: int, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {word.strip(",:") for line in shown(monkeypatch, 500, model) for word in line.split()}
    lines = shown(monkeypatch, width, model)
    assert {word.strip(",:") for line in lines for word in line.split()} <= whole
    assert max(len(line) for line in lines if model not in line) < width
    assert any("validation accuracy 95.00 %" in line for line in lines)


def test_plain_lines_say_how_each_job_ended() -> None:
    stream, clock = io.StringIO(), Clock()
    display = Display(stream, clock)
    display.begins([job(0)], [], 1)
    display.started(job(0), 0, 1)
    clock.now += 2
    display.finished(job(0), cell(status="failed", reason="no such file"))
    assert stream.getvalue() == "[1/1] digits x mlp, seed 0: failed: no such file, after 2.0 s\n"


# --- the end ----------------------------------------------------------------------------------------------


def test_the_end_counts_what_failed_and_says_what_to_type(tmp_path: Path) -> None:
    records = [
        cell(0.9), cell(seed=1, status="timeout", reason="long"), cell(seed=2, status="failed", reason="oh"),
        cell(float("nan"), seed=3), profile(status="oom", reason="big"),
    ]  # fmt: skip
    lines = closing(records, 4, 2, Path("runs"), 120)
    assert lines[0] == "4 run now, 1 found done; skipped because they don't fit: 2 pairs (--dry-run lists them)."
    assert lines[1].startswith("Not ok: 3 of 4 cells (2 failed, 1 timeout) and 1 of 1 profile (1 oom).")
    following = "\n".join(lines[lines.index("Next:") :])
    for hint in ("--timeout", "--memory-limit", "mended", "--seeds 5", "dlbench table runs: "):
        assert hint in following
    assert "data fetch" not in following


def test_a_run_in_which_all_is_well_says_little() -> None:
    lines = closing([cell(0.9, seed=seed) for seed in range(5)], 5, 0, Path("runs"), 120)
    assert not any(line.startswith("Not ok") for line in lines)
    assert len(lines[lines.index("Next:") :]) == 2
    assert following([cell(status="no_data", reason="missing")], Path("runs"))[0].startswith("dlbench data list")


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_end_fits(width: int) -> None:
    records = [
        cell(seed=i, status=status, reason="x") for i, status in enumerate(("oom", "timeout", "failed", "no_data"))
    ]
    assert max(map(len, closing(records, 4, 2, Path("runs"), width))) <= width


# --- dry runs ---------------------------------------------------------------------------------------------


def test_a_dry_run_groups_pairs_by_suite_and_what_is_done() -> None:
    jobs = [job(seed) for seed in (0, 1, 2, 7)] + [job(0, "gpt", "text"), job(None)]
    for it in jobs:
        it.suite, it.no_data = ("b", "it isn't there") if it.task.name == "text" else ("a", None)
    skips = [Skip("a", "gcn", task, "gcn doesn't accept them") for task in ("digits", "mnist")]
    made = Plan(cells=jobs[:-1], profiles=jobs[-1:], skips=skips)
    assert outline(made, {jobs[3].name, jobs[5].name}, 120) == [
        "suite a",
        "done  digits x mlp: seed 7 and profile",
        "run   digits x mlp: seeds 0-2",
        "skip  digits, mnist x gcn: gcn doesn't accept them",
        "suite b",
        "run   text x gpt: seed 0  (no data: it isn't there)",
        "To run: 4 cells and 0 profiles. Done: 2. Skipped: 2 pairs.",
    ]
    assert max(map(len, outline(made, set(), 40))) <= 40
    assert ranges([0, 1, 3, 4, 5, 9]) == "0, 1, 3-5, 9"
