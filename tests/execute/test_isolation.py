"""Every way in which a cell can end badly costs that cell one row, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PLUGIN = Path(__file__).with_name("misbehaving.py")
QUICK = ["--no-profile", "--set", "budget.epochs=1", "--device", "cpu"]
EXPECTED = {
    "bad_good": "ok",
    "bad_build_raises": "failed",
    "bad_step_raises": "failed",
    "bad_wrong_shape": "failed",
    "bad_nan": "diverged",
    "bad_segfault": "crashed",
    "bad_sleeps": "timeout",
    "bad_allocates": "oom",
    "bad_chatters": "ok",
    "bad_leaves": "crashed",
    "bad_forks": "ok",
    "bad_daemon": "ok",
}


def command(*more: str) -> list[str]:
    code = "import sys; from dlbench.cli import main; sys.argv[0] = 'dlbench'; main()"
    return [sys.executable, "-c", code, "run", "-t", "digits", "-p", str(PLUGIN), *QUICK, *more]


def records(folder: Path) -> dict[str, dict]:
    found = [json.loads(path.read_text()) for path in (folder / "dlbench-runs" / "records").glob("*.json")]
    return {body["model"]["name"]: body for body in found}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """One run of all the misbehaving models beside a built-in one."""
    folder = tmp_path_factory.mktemp("sweep")
    more = ["-m", "bad_*", "-m", "perceptron", "--seeds", "1", "--timeout", "20s", "--memory-limit", "2GiB"]
    done = subprocess.run(command(*more), cwd=folder, capture_output=True, text=True, timeout=300)
    return folder, done


def test_each_failure_is_a_row_with_its_status(sweep) -> None:
    folder, done = sweep
    assert done.returncode == 3, done.stderr
    statuses = {name: body["status"] for name, body in records(folder).items()}
    assert statuses == {**EXPECTED, "perceptron": "ok"}


def test_each_failure_says_why_and_where(sweep) -> None:
    found = records(sweep[0])
    assert found["bad_step_raises"]["reason"] == "RuntimeError: this step raises"
    assert "misbehaving.py" in found["bad_step_raises"]["where"]
    assert ", 20), but classes[10] needs" in found["bad_wrong_shape"]["reason"]
    assert "SIGSEGV" in found["bad_segfault"]["reason"]
    assert "--timeout" in found["bad_sleeps"]["reason"]
    assert "nan" in found["bad_nan"]["reason"]


def test_what_does_not_apply_is_a_skip_and_no_record(sweep) -> None:
    folder, done = sweep
    assert "bad_not_applicable" not in records(folder)
    assert "needs a side of at least 1,000 pixels" in done.stderr


def test_a_long_log_is_capped(sweep) -> None:
    (log,) = (sweep[0] / "dlbench-runs" / "logs").glob("digits--bad-chatters*.log")
    assert 1 << 20 <= log.stat().st_size < (1 << 20) + 200
    assert "log capped" in log.read_text()[-100:]


def test_no_child_survives(sweep) -> None:
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "9876"]]


def test_failures_count_as_done_and_a_timeout_only_under_a_lower_limit(sweep) -> None:
    folder, _ = sweep
    stamps = {path: path.stat().st_mtime_ns for path in (folder / "dlbench-runs" / "records").glob("*.json")}
    models = [text for name in (*EXPECTED, "perceptron") for text in ("-m", name)]
    more = [*models, "--seeds", "1", "--timeout", "10s", "--memory-limit", "1GiB"]
    again = subprocess.run(command(*more), cwd=folder, capture_output=True, text=True, timeout=300)
    assert again.returncode == 3
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_killing_the_parent_loses_only_the_running_cell(tmp_path: Path) -> None:
    more = ["-m", "bad_good", "-m", "bad_sleeps", "-m", "perceptron", "--seeds", "1", "--timeout", "15s"]
    parent = subprocess.Popen(command(*more), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while "bad_good" not in records(tmp_path) or len(descendants(parent.pid)) < 2:
        assert time.monotonic() < deadline, "the first cell did not end in a minute"
        time.sleep(0.1)
    family = descendants(parent.pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    gone, alive = psutil.wait_procs(family, timeout=10)
    assert gone
    assert not alive
    stamp = record_path(tmp_path, "bad-good").stat().st_mtime_ns
    again = subprocess.run(command(*more), cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert again.returncode == 3
    assert record_path(tmp_path, "bad-good").stat().st_mtime_ns == stamp
    assert {n: b["status"] for n, b in records(tmp_path).items()} == {
        "bad_good": "ok", "bad_sleeps": "timeout", "perceptron": "ok",
    }  # fmt: skip


def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path) -> None:
    more = ["-m", "bad_good", "-m", "bad_sleeps", "--seeds", "1"]
    parent = subprocess.Popen(command(*more), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while "bad_good" not in records(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    family = descendants(parent.pid)
    parent.send_signal(signal.SIGINT)
    _, errors = parent.communicate(timeout=120)
    assert parent.returncode == 130
    assert "goes on from here" in errors
    rows = (record_path(tmp_path, "bad-good").parents[1] / "leaderboard.csv").read_text().splitlines()
    assert [row for row in rows if ",bad_good," in row]
    assert not psutil.wait_procs(family, timeout=10)[1]


def test_the_parent_sleeps_while_a_cell_runs(tmp_path: Path) -> None:
    more = ["-m", "bad_sleeps", "--seeds", "1", "--timeout", "60s"]
    parent = subprocess.Popen(command(*more), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process = psutil.Process(parent.pid)
    deadline = time.monotonic() + 60
    while len(descendants(parent.pid)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    before = sum(process.cpu_times()[:2])
    time.sleep(4)
    spent = sum(process.cpu_times()[:2]) - before
    parent.send_signal(signal.SIGINT)
    parent.wait(30)
    assert spent <= 0.04, f"{spent} s of CPU time in 4 s"


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def record_path(folder: Path, model: str) -> Path:
    (path,) = (folder / "dlbench-runs" / "records").glob(f"*--{model}--*.json")
    return path
