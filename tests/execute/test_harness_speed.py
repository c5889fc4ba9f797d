"""What the harness itself costs, in processor time and relative to the import of torch, which a busy or slow machine
stretches alike. `make bench` measures the same with tighter limits, in seconds."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dlbench.execute.local import LocalExecutor, Message
from dlbench.plan.catalog import discover
from workshop import message, planned

DLBENCH = [sys.executable, "-c", "from dlbench.cli import main; main()"]
IMPORTING = [sys.executable, "-c", "import torch"]
MOST_OF_TORCH = 0.12
"""0.2 s where torch is imported in 1.7 s."""
REFUSING = """
from dlbench import Classes, Image, ModelSpec, NotApplicable

def build(signature):
    raise NotApplicable("only its start is of interest")

def dlbench_models():
    yield ModelSpec(name="refusing", build=build, accepts=[(Image, Classes)])
"""


def children_s(command: list[str], environment: dict[str, str]) -> float:
    """Processor seconds of a command in a fresh process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.timing
@pytest.mark.parametrize(("arguments", "limit"), [(["--help"], 7), (["list", "models"], 14.5)], ids=["help", "list"])
def test_start_up_is_quick(tmp_path: Path, arguments: list[str], limit: float) -> None:
    """Relative to a Python that does nothing: measured 4.3 to 5.1, and 11.9 to 13.2 of 25 packages, on a busy
    machine. The first start compiles the modules into a folder of its own, as an installation does, and doesn't count.
    Of each the fastest of several turns, as others on the machine only add."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    commands = ([sys.executable, "-c", "pass"], [*DLBENCH, *arguments])
    turns = [[children_s(command, environment) for command in commands] for _ in range(9)]
    bare, ours = map(min, zip(*turns, strict=True))
    assert ours <= limit * bare, turns


def server_s() -> float:
    """Processor seconds of the fork server, the only child of this process, and of its own children that have ended."""
    times = [child.cpu_times() for child in psutil.Process().children()]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    with LocalExecutor(("timm", "torch_geometric", "sklearn.datasets", "sklearn.model_selection")) as executor:
        yield executor


@pytest.mark.timing
@pytest.mark.parametrize(("model", "status"), [("refusing", "skip"), ("perceptron", "ok")])
def test_an_extra_cell_is_cheap_in_a_warm_fork_server(
    executor: LocalExecutor, tmp_path: Path, model: str, status: str
) -> None:
    """From the job to the end of its process, with its plugins and its data loaded: a model that refuses to be built,
    and one that takes a single step and is judged."""
    file = tmp_path / "refusing.py"
    file.write_text(REFUSING)
    catalog = discover([str(file)])
    job = message(planned(model, "digits", {"budget.steps": 1}, among=catalog), catalog)
    job["log"] = str(tmp_path / "cell.log")
    (first,) = executor.run([job], lambda point: None)
    assert first["result"]["status"] == status, first
    assert server_s() > 0.5  # its imports: it is the child that we read
    found = [(children_s(IMPORTING, dict(os.environ)), cells_s(executor, job, 4)) for _ in range(3)]
    torch_s, cell_s = (min(times) for times in zip(*found, strict=True))  # others on the same core only add
    assert cell_s <= MOST_OF_TORCH * torch_s, found


def cells_s(executor: LocalExecutor, job: Message, count: int) -> float:
    """Processor seconds of one of `count` cells, the server's share included."""
    before = server_s()
    for _ in range(count):
        list(executor.run([job], lambda point: None))
    return (server_s() - before) / count
