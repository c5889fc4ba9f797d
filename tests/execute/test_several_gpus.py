"""`--jobs N` on a machine with several GPUs: each cell that runs gets one, filled evenly; profiles stay alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlbench.cli import run as command
from dlbench.contract.runtime import Runtime
from dlbench.errors import UsageError
from dlbench.execute import run
from dlbench.execute.local import LocalExecutor
from dlbench.execute.run import Limits, Runner
from dlbench.measure import devices
from dlbench.measure.devices import Answer, cards
from dlbench.plan.catalog import discover
from dlbench.plan.plan import Plan
from dlbench.results import Results
from dlbench.testing.running import Silent
from workshop import message, planned

SEEING = """
import os
from dlbench import Classes, Image, ModelSpec, NotApplicable

def build(signature):
    raise NotApplicable("sees " + os.environ["CUDA_VISIBLE_DEVICES"])

def dlbench_models():
    yield ModelSpec(name="seeing", build=build, accepts=[(Image, Classes)])
"""


class Pretending(LocalExecutor):
    """Notes what is sent, and lets the job end that was sent first."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.sent: list[dict[str, Any]] = []
        self.most: dict[str, int] = {}

    def _send(self, job: dict[str, Any]) -> None:
        self.sent.append(job)
        running = [j.get("visible", "") for j in self.sent if not j.get("ended")]
        self.most = {card: max(self.most.get(card, 0), running.count(card)) for card in {*running, *self.most}}

    def _receive(self) -> list[dict[str, Any]]:
        job = next(job for job in self.sent if not job.get("ended"))
        job["ended"] = True
        result = {"status": "ok", "reason": "", "where": "", "body": {"flags": []}}
        return [{"type": "done", "id": job["id"], "result": result, "timed_out": False}]


def job(number: int, device: str = "cuda:0", alone: bool = False) -> dict[str, Any]:
    return {"id": str(number), "runtime": {"device": device}, "alone": alone}


def test_cells_fill_the_gpus_and_share_none_while_one_is_free() -> None:
    executor = Pretending(jobs=3, cards=("4", "GPU-b", "7"))
    done = list(executor.run([job(i) for i in range(7)], lambda point: None))
    assert [sent["visible"] for sent in executor.sent] == ["4", "GPU-b", "7", "4", "GPU-b", "7", "4"]
    assert [message["card"] for message in done] == [0, 1, 2, 0, 1, 2, 0]
    assert executor.most == {"4": 1, "GPU-b": 1, "7": 1}


def test_more_cells_than_gpus_are_spread_evenly() -> None:
    executor = Pretending(jobs=4, cards=("0", "1"))
    list(executor.run([job(i) for i in range(8)], lambda point: None))
    assert executor.most == {"0": 2, "1": 2}


def test_profiles_cells_on_the_cpu_and_single_gpus_are_left_alone() -> None:
    for executor, what in (
        (Pretending(jobs=1, cards=("0", "1")), job(0, alone=True)),
        (Pretending(jobs=2, cards=("0", "1")), job(0, device="cpu")),
        (Pretending(jobs=2, cards=("0",)), job(0)),
    ):
        (done,) = executor.run([what], lambda point: None)
        assert "visible" not in executor.sent[0]
        assert "card" not in done


def test_a_child_sees_the_gpu_of_its_job_alone(tmp_path: Path) -> None:
    file = tmp_path / "seeing.py"
    file.write_text(SEEING)
    catalog = discover([str(file)])
    given = {**message(planned("seeing", "digits", among=catalog), catalog), "log": str(tmp_path / "log")}
    with LocalExecutor() as executor:
        (done,) = executor.run([{**given, "visible": "5"}], lambda point: None)
    assert done["result"]["reason"] == "sees 5"


@pytest.mark.parametrize(
    ("visible", "count", "expected"),
    [(None, 4, ("0", "1", "2", "3")), ("2,GPU-x", 2, ("2", "GPU-x")), ("3", 1, ("3",)), ("", 1, ("0",))],
)
def test_cards_go_by_what_the_user_lets_cuda_see(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, count: int, expected: tuple[str, ...]
) -> None:
    monkeypatch.setattr(devices, "ask", lambda device: Answer(count=count))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert cards() == expected


@pytest.mark.parametrize(("jobs", "spread", "shared"), [(2, True, False), (3, True, True), (2, False, True)])
def test_a_record_says_which_gpu_it_was_and_whether_others_used_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, spread: bool, shared: bool
) -> None:
    made = planned("perceptron", "digits", seeds=(0, 1))
    cells = [replaced(cell) for cell in made.cells]
    asked: list[str] = []

    def fingerprint(device: str) -> dict[str, Any]:
        asked.append(device)
        return {"machine": f"machine of {device}"}

    monkeypatch.setattr(run, "cards", lambda: ("0", "1"))
    monkeypatch.setattr(run, "fingerprint", fingerprint)
    monkeypatch.setattr(run, "LocalExecutor", lambda preload, jobs, cards: Pretending(jobs=jobs, cards=cards))
    runner = Runner(
        catalog=discover(), results=Results(tmp_path), display=Silent(), limits=Limits(), data_root=tmp_path,
        cache=tmp_path, command="test", jobs=jobs, spread=spread,
    )  # fmt: skip
    records = runner.run(Plan(cells=cells))
    assert [("device_shared" in record["flags"]) for record in records] == [shared, shared]
    assert asked == (["cuda:0", "cuda:1"] if spread else ["cuda:0", "cuda:0"])


def test_jobs_auto_is_a_cell_for_each_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "cards", lambda: ("0", "1", "2"))
    monkeypatch.setattr(command, "separate_cores", lambda: 5)

    def found(device: str, executor: str = "local", **runtime: Any) -> int:
        given = {"device": device, "executor": executor, "resources": None}
        return command.jobs_here(Runtime(device=device, **runtime), given)

    assert [found("cpu"), found("cpu", threads=2), found("cpu", threads=8)] == [5, 2, 1]
    assert [found("cpu", devices=2), found("cuda:1")] == [1, 1]
    assert command.jobs_here(Runtime(device="cuda:0"), {"device": "cuda", "executor": "local", "resources": None}) == 3
    with pytest.raises(UsageError, match="with --executor give a number"):
        found("cpu", "slurm")


def replaced(cell: Any) -> Any:
    """The same cell as if it were planned for CUDA."""
    from dataclasses import replace

    return replace(cell, runtime=replace(cell.runtime, device="cuda:0"))
