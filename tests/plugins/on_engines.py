"""Real engines on this machine, started as docs/several-machines.md says: what runs there is what runs here. It is for
`.ci/engines`, and no part of `make test`. What can't be started here is skipped, and says why."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_engines import BUILDS, needs

from dlbench import Executor, Resources
from dlbench.contract.choice import Choice
from dlbench.execute.server import PR_SET_CHILD_SUBREAPER, prctl
from dlbench.testing import check_executor, report
from dlbench.testing.on_executors import STRESS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "several-machines.md"
WAITING = str(Path(__file__).with_name("waiting.py"))
EXECUTORS = {
    "submitit": "slurm[cluster=local]", "slurm": "slurm", "ray": "ray[address=127.0.0.1:6399]",
    "dask": "dask[address=tcp://127.0.0.1:8799]",
}  # fmt: skip
PACKAGES = {"submitit": "submitit", "slurm": "submitit", "ray": "ray", "dask": "distributed"}
UP = {
    "slurm": "until sinfo --noheader --format=%t | grep -qx idle; do sleep 0.2; done; srun --quiet true",
    "ray": """until (: </dev/tcp/127.0.0.1/6399) 2>/dev/null; do sleep 0.2; done; python -c "
import ray, time
ray.init('127.0.0.1:6399')
while sum(node['Alive'] for node in ray.nodes()) < 2: time.sleep(0.2)"
""",
    "dask": "python -c \"from distributed import Client; Client('127.0.0.1:8799').wait_for_workers(2)\"",
}
"""Commands that end when an engine's workers, or its node, are there."""
STARTS_S, ENDS_S, RUN_S = 60, 3, 300
TIMES = ("created", "command", "environment", "flags", "phases")
"""Of a record, what says when and where it ran."""
SUITE = """
name = "sweep"
seeds = 1
[[blocks]]
models = ["stress[folder=FOLDER,how=beats]", "stress[how=allocates]"]
tasks = ["halves"]
[[blocks]]
models = ["perceptron", "lenet5"]
tasks = ["digits"]
set = { "budget.epochs" = 2 }
[[blocks]]
models = ["waits[folder=FOLDER]"]
tasks = ["halves"]
"""
"""The cell that runs until its time is over comes first: the others run beside it."""
ENDS = ["oom", "ok", "ok", "ok", "timeout"]
LIMITS = ("--timeout", "10s", "--memory-limit", "1GiB")


# --- an engine ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """An engine that runs, and a folder of its own."""

    name: str
    folder: Path

    @property
    def executor(self) -> str:
        """What to call it for `--executor`."""
        return EXECUTORS[self.name]


@pytest.fixture(scope="session", params=[*EXECUTORS])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Each engine in turn, alone on the machine; all that it started ends with it."""
    needs(PACKAGES[request.param])
    prctl(PR_SET_CHILD_SUBREAPER, 1)  # so that daemons are children of this process
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background ignores
    folder = Path(tempfile.mkdtemp(prefix="engine"))  # sockets want short names
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin")
            patched.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            patched.setenv("RAY_TMPDIR", str(folder))
            if request.param in UP:
                start(request.param, folder)
            yield Site(request.param, folder)
    finally:
        end_all()
        shutil.rmtree(folder, ignore_errors=True)


def start(name: str, folder: Path) -> None:
    """Start an engine by the page's commands."""
    if name == "slurm" and shutil.which("slurmctld") is None:
        if os.geteuid() or shutil.which("apt-get") is None:
            pytest.skip("slurmctld isn't installed, and there is no root with apt-get to do it")
        run(f"export DEBIAN_FRONTEND=noninteractive; apt-get update; {commands('packages')}", folder)
    run(f"{commands(f'start {name}')}\n{UP[name]}", folder)


def commands(mark: str) -> str:
    """The commands of the page after a mark."""
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, mark
    return found[1]


def run(script: str, folder: Path) -> None:
    """Run commands; what they leave running goes on. Where they fail or take too long, the test is skipped."""
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script], cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            failed = process.wait(STARTS_S)
        except subprocess.TimeoutExpired:
            failed = 1
    if failed:
        said = " | ".join(log.read_text(errors="replace").splitlines()[-3:])
        pytest.skip(f"it can't be started here: {said}")


def end_all() -> None:
    """End all that descends from this process."""
    begun = time.monotonic()
    while children := psutil.Process().children(recursive=True):
        for child in children:
            try:
                child.send_signal(signal.SIGTERM if time.monotonic() < begun + ENDS_S else signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(children, timeout=ENDS_S)
        assert time.monotonic() < begun + 10 * ENDS_S, f"still there: {children}"


# --- runs --------------------------------------------------------------------------------------------------


def dlbench(results: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`dlbench run`, as a person types it."""
    command = [sys.executable, "-c", "from dlbench.cli import main; main()", "run", *words]
    given = ["--device", "cpu", "--no-profile", "--jobs", "2", "--results", str(results)]
    return subprocess.run([*command, *given], capture_output=True, text=True, timeout=RUN_S, check=False)


def numbers(results: Path) -> dict[str, dict[str, Any]]:
    """All that the records of a folder say, by name, but for times and places."""
    found = {path.stem: json.loads(path.read_text()) for path in (results / "records").rglob("*.json")}
    for body in found.values():
        for key in TIMES:
            body.pop(key, None)
        for curve in body.get("curves", []):
            for point in curve:
                del point["seconds"]
    return found


@dataclass(frozen=True)
class Sweep:
    """Cells that end in every way, and what came out of them here. One waits until there is a file `go` in `folder`."""

    folder: Path
    words: list[str]
    here: dict[str, dict[str, Any]]

    @property
    def go(self) -> Path:
        return self.folder / "go"

    def begun(self) -> list[int]:
        """The process of the cell that waits, for each time that it began."""
        path = self.folder / "begun"
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []

    def again(self) -> None:
        for name in ("go", "begun"):
            (self.folder / name).unlink(missing_ok=True)

    def meanwhile(self, results: Path, act: Callable[[int], None], *words: str) -> subprocess.CompletedProcess[str]:
        """A run of these cells, in which `act` gets the process of the one that waits before that may go on."""
        self.again()
        failures: list[BaseException] = []

        def other() -> None:
            try:
                until(self.begun)
                act(self.begun()[0])
            except BaseException as error:
                failures.append(error)
            self.go.touch()

        thread = threading.Thread(target=other)
        thread.start()
        done = dlbench(results, *self.words, *words)
        thread.join()
        assert not failures, (failures, done.stderr)
        return done


def until(holds: Callable[[], Any], patience_s: float = 120) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    folder = tmp_path_factory.mktemp("sweep")
    suite = folder / "sweep.toml"
    suite.write_text(SUITE.replace("FOLDER", str(folder)))
    words = ["--suite", str(suite), "-p", STRESS, "-p", WAITING, *LIMITS]
    (folder / "go").touch()
    done = dlbench(folder / "here", *words)
    found = Sweep(folder, words, numbers(folder / "here"))
    assert sorted(body["status"] for body in found.here.values()) == sorted(ENDS), done.stderr
    return found


# --- what must hold ----------------------------------------------------------------------------------------


def test_a_worker_killed_in_mid_sweep_costs_one_cell_again_and_nothing_else(site: Site, sweep: Sweep) -> None:
    """All records are those of here: the numbers bit for bit, and `oom` and `timeout` where a cell was over a limit."""
    results = site.folder / "killed"
    kept: dict[Path, tuple[int, bytes]] = {}

    def files() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in results.glob("records/*.json")}

    def kill(cell: int) -> None:
        _, remote, worker, *_ = psutil.Process(cell).parents()
        assert "dlbench.execute.remote" in remote.cmdline()
        until(files)
        kept.update(files())
        worker.kill()

    done = sweep.meanwhile(results, kill, "--executor", site.executor)
    assert numbers(results) == sweep.here, done.stderr
    assert kept
    assert {path: found for path, found in files().items() if path in kept} == kept
    assert len(sweep.begun()) == 2


def test_a_preempted_job_goes_back_into_the_queue_once(site: Site, sweep: Sweep) -> None:
    if site.name != "slurm":
        pytest.skip(f"{site.name} doesn't preempt")
    results = site.folder / "preempted"

    def preempt(cell: int) -> None:
        subprocess.run(["srun", "--partition=high", "--exclusive", "true"], check=True, capture_output=True)

    done = sweep.meanwhile(
        results, preempt, "--executor", "slurm[partition=low]", "-m", f"waits[folder={sweep.folder}]"
    )
    assert done.returncode == 0, done.stderr
    (found,) = numbers(results).items()
    assert found in sweep.here.items()
    assert len(sweep.begun()) == 2
    shown = subprocess.run(["scontrol", "show", "jobs", "--oneliner"], capture_output=True, text=True, check=True)
    begun_again = [line for line in shown.stdout.splitlines() if " Restarts=0 " not in line]
    assert len(begun_again) == 1, begun_again
    assert all(word in begun_again[0] for word in ("JobName=dlbench", " Restarts=1 ", " Partition=low "))


@pytest.mark.slow
def test_the_suite_quick_is_the_same_there(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    here = tmp_path_factory.getbasetemp() / "quick"
    if not here.exists():
        assert dlbench(here, "--suite", "quick").returncode == 0
    there = site.folder / "quick"
    done = dlbench(there, "--suite", "quick", "--executor", site.executor)
    assert done.returncode == 0, done.stderr
    assert numbers(there) == numbers(here)
    assert len(numbers(here)) == 33


@pytest.mark.slow
def test_it_does_what_an_executor_must(site: Site) -> None:
    choice, resources = Choice.parse(site.executor), Resources(memory_bytes=(3 << 30) if site.name == "slurm" else None)

    def open() -> Executor:
        return BUILDS[choice.name](site.folder / "engine", resources, **dict(choice.options))

    findings = check_executor(site.name, open, site.folder / "checked")
    assert not [finding for finding in findings if not finding.ok], report(findings)
    assert len(findings) >= 11, report(findings)
