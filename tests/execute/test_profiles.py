"""The launches of a plan's profiles: in turns over the models, each profile saved once."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from dlbench import Block, ProfileProtocol, Suite
from dlbench.execute.run import Limits, Runner
from dlbench.plan.catalog import discover
from dlbench.plan.plan import Job, Plan, Request, plan
from dlbench.results import Record, Results

TINY = ProfileProtocol(rounds=1, block_s=0.001, warmup_s=0.001, launches=3)
PLUGIN = """
import os
from pathlib import Path
from dlbench import Classes, Image, ModelSpec

def builder(name):
    def build(signature):
        from torch import nn

        with (Path(__file__).parent / "built").open("a") as file:
            file.write(f"{name} {os.getpid()}\\\\n")
        if name == "bad" and (Path(__file__).parent / "built").read_text().count("last ") > 0:
            raise RuntimeError("not twice")
        image = signature.input
        return nn.Sequential(nn.Flatten(), nn.Linear(image.channels * image.height * image.width, 10))

    return build

def dlbench_models():
    for name in ("first", "bad", "last"):
        yield ModelSpec(name=name, build=builder(name), accepts=[(Image, Classes)])
""".replace("\\\\n", "\\n")


class Notes:
    """A display that notes what it is told; the process is interrupted as `stop_at` is shown."""

    def __init__(self, stop_at: tuple[str, int] | None = None) -> None:
        self.shown: list[tuple[str, int]] = []
        self.ended: list[tuple[str, str]] = []
        self.positions: list[tuple[int, int]] = []
        self.stop_at = stop_at

    def begins(self, cells: object, profiles: object, at_once: int) -> None: ...

    def started(self, job: Job, position: int, total: int) -> None:
        self.positions.append((position, total))

    def progress(self, job: Job, point: Mapping[str, Any]) -> None:
        self.shown.append((job.model.name, point["launch"]))
        if self.shown[-1] == self.stop_at:
            raise KeyboardInterrupt

    def finished(self, job: Job, record: Record) -> None:
        self.ended.append((job.model.name, record.status))

    def skipped(self, skip: object) -> None:
        raise AssertionError(skip)


def runner_of(folder: Path, display: Notes) -> tuple[Runner, Plan]:
    file = folder / "counting.py"
    file.write_text(PLUGIN)
    catalog = discover([str(file)])
    suite = Suite(name="turns", blocks=(Block(models=("first", "bad", "last"), tasks=("digits",)),), profile=TINY)
    request = Request(suites=(suite,), cells=False, data_root=folder, cache=folder / "cache")
    runner = Runner(
        catalog=catalog, results=Results(folder / "results"), display=display, limits=Limits(), data_root=folder,
        cache=folder / "cache", command="",
    )  # fmt: skip
    return runner, plan(catalog, request)


def test_launches_go_in_turns_and_a_failed_one_is_its_profiles_last(tmp_path: Path) -> None:
    notes = Notes()
    runner, made = runner_of(tmp_path, notes)
    records = {record["model"]["name"]: record for record in runner.run(made)}
    turns = [("first", 1), ("bad", 1), ("last", 1), ("first", 2), ("bad", 2), ("last", 2), ("first", 3), ("last", 3)]
    assert notes.shown == turns
    built = [name for name, _ in groupby((tmp_path / "built").read_text().splitlines())]
    assert [line.split()[0] for line in built] == [name for name, _ in turns]
    assert len(set(built)) == len(turns)  # a process of its own for each
    assert notes.positions == [(0, 3), (1, 3), (2, 3)]
    assert notes.ended == [("bad", "failed"), ("first", "ok"), ("last", "ok")]
    assert [len(records[name]["profile"]["launches"]) for name in ("first", "bad", "last")] == [3, 1, 3]
    assert records["bad"]["reason"] == "RuntimeError: not twice"
    assert runner.ran == 3
    again = Notes()
    runner, made = runner_of(tmp_path, again)
    assert len(runner.run(made)) == 3
    assert again.shown == []


def test_an_interrupted_run_keeps_the_profiles_that_have_ended(tmp_path: Path) -> None:
    notes = Notes(stop_at=("last", 2))
    runner, made = runner_of(tmp_path, notes)
    with pytest.raises(KeyboardInterrupt):
        runner.run(made)
    assert {record["model"]["name"] for record in runner.results.records("turns")} == {"bad"}
