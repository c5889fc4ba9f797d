"""Every executor runs cells as this machine does: `check_executor` on each engine that is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import dlbench_engines
from dlbench import Executor, Resources
from dlbench.execute.local import LocalExecutor
from dlbench.testing import check_executor, report

BUILDS = {spec.name: spec.build for spec in dlbench_engines.dlbench_executors()}


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} isn't installed: pip install 'dlbench[engines]'")


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Callable[[], Executor]]:
    """What opens an executor, with an engine of its own behind it."""
    if name == "local":
        yield lambda: LocalExecutor(jobs=2)
    elif name == "submitit":
        needs("submitit")
        yield lambda: BUILDS["slurm"](folder / "slurm", Resources(), cluster="local")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["local", "submitit"])
def test_an_executor_runs_cells_as_this_machine_does(name: str, tmp_path: Path) -> None:
    with opened(name, tmp_path) as open:
        findings = check_executor(name, open, tmp_path)
    assert not [finding for finding in findings if not finding.ok], report(findings)
    assert len(findings) >= (9 if name == "local" else 11), report(findings)
