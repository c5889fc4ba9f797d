"""Every executor runs cells as this machine does: `check_executor` on each that is installed; on_engines has SLURM."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import dlbench_engines
from dlbench import Executor, Lost, Message, Resources, UsageError
from dlbench.cli import run
from dlbench.cli.engine import engine_of, resources_of
from dlbench.errors import DlbenchError
from dlbench.execute.local import LocalExecutor
from dlbench.execute.run import Engine, Limits, Runner
from dlbench.plan.catalog import discover
from dlbench.results import Results
from dlbench.testing import check_executor, report
from dlbench.testing.running import Silent
from workshop import planned

REPOSITORY = Path(__file__).resolve().parents[2]
BUILDS = {spec.name: spec.build for spec in dlbench_engines.dlbench_executors()}


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} isn't installed: pip install 'dlbench[dask,ray,slurm]'")


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Callable[[], Executor]]:
    """What opens an executor, with an engine of its own behind it."""
    if name == "local":
        yield lambda: LocalExecutor(jobs=2)
    elif name == "submitit":
        needs("submitit")
        yield lambda: BUILDS["slurm"](folder / "submitit", Resources(), cluster="local")
    elif name == "ray":
        needs("ray")
        with ray_cluster() as address:
            yield lambda: BUILDS["ray"](folder / "ray", Resources(), address=address)
    elif name == "dask":
        needs("distributed")
        from distributed import LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=folder) as cluster:
            address = cluster.scheduler_address
            yield lambda: BUILDS["dask"](folder / "dask", Resources(), address=address)


@contextmanager
def ray_cluster() -> Iterator[str]:
    """A cluster of two nodes of one processor each, by its address."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    cluster.add_node(num_cpus=1)
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["local", "submitit", "ray", "dask"])
def test_an_executor_runs_cells_as_this_machine_does(name: str, tmp_path: Path) -> None:
    with opened(name, tmp_path) as open:
        findings = check_executor(name, open, tmp_path)
    assert not [finding for finding in findings if not finding.ok], report(findings)
    assert len(findings) >= (9 if name == "local" else 11), report(findings)


class Scripted(Executor):
    """Its jobs end as a script says, an outcome for each time that one is submitted."""

    def __init__(self, script: dict[str, list[Lost | None]]) -> None:
        self.script, self.submitted, self.cancelled = script, list[str](), list[str]()

    def submit(self, jobs: Sequence[Message]) -> Sequence[str]:
        self.submitted += [job["id"] for job in jobs]
        return [f"{job['id']}/{self.submitted.count(job['id'])}" for job in jobs]

    def ended(self, handles: Sequence[str]) -> Mapping[str, Message | Lost]:
        name = handles[0].partition("/")[0]
        return {handles[0]: self.script[name].pop(0) or answer(name)}

    def cancel(self, handles: Sequence[str]) -> None:
        self.cancelled += handles


def answer(name: str) -> Message:
    done = {"type": "done", "id": name, "result": {"status": "ok"}, "timed_out": False}
    return {"done": done, "progress": [{"point": name}], "log": "said", "pictures": {}, "environment": {"machine": "m"}}


def jobs(folder: Path, names: str) -> list[Message]:
    return [{"id": name, "log": str(folder / "logs" / name)} for name in names]


def test_a_lost_job_runs_once_more_and_what_must_not_does_not(tmp_path: Path) -> None:
    gone, over = Lost(reason="gone"), Lost(reason="over", status="oom", again=False)
    executor = Scripted({"a": [None], "b": [gone, None], "c": [gone, gone], "d": [over]})
    executor.jobs = 2
    points: list[Message] = []
    done = {message["id"]: message for message in executor.run(jobs(tmp_path, "abcd"), points.append)}
    assert {name: message["result"]["status"] for name, message in done.items()} == {
        "a": "ok", "b": "ok", "c": "crashed", "d": "oom",
    }  # fmt: skip
    assert sorted(executor.submitted) == ["a", "b", "b", "c", "c", "d"]
    assert [point["point"] for point in points] == ["a", "b"]
    assert (tmp_path / "logs" / "a").read_text() == "said"
    assert executor.cancelled == []


def test_what_runs_is_cancelled_where_the_caller_stops(tmp_path: Path) -> None:
    executor = Scripted({name: [None] for name in "abc"})
    executor.jobs = 3
    with executor:
        assert next(executor.run(jobs(tmp_path, "abc"), lambda point: None))["id"] == "a"
    assert sorted(executor.cancelled) == ["b/1", "c/1"]


def test_an_engine_that_fails_is_a_sentence_and_not_a_cells_fault(tmp_path: Path) -> None:
    class Gone(Scripted):
        def submit(self, jobs: Sequence[Message]) -> Sequence[str]:
            raise RuntimeError("sbatch: error:\n  invalid partition specified: gpuu")

    with pytest.raises(DlbenchError, match="Gone can't run cells: RuntimeError: sbatch: error: invalid partition"):
        list(Gone({}).run(jobs(tmp_path, "a"), lambda point: None))

    class Leaving(Scripted):
        def ended(self, handles: Sequence[str]) -> Mapping[str, Message | Lost]:
            raise ConnectionError("the head is gone")

        def cancel(self, handles: Sequence[str]) -> None:
            super().cancel(handles)
            raise ConnectionError("the head is gone")

    leaving = Leaving({})
    with pytest.raises(DlbenchError, match="the head is gone; what is done is kept"):
        list(leaving.run(jobs(tmp_path, "a"), lambda point: None))
    assert leaving.cancelled == ["a/1"]

    class Interrupted(Leaving):
        def ended(self, handles: Sequence[str]) -> Mapping[str, Message | Lost]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # which must be heard, though nothing can be cancelled any more
        list(Interrupted({}).run(jobs(tmp_path, "a"), lambda point: None))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--resources", "gpus=1"], "has none to ask"),
        (["--executor", "slurm", "--resources", "gpu=1"], "did you mean 'gpus'"),
        (["--executor", "slurm", "--resources", "cpus=many"], "cpus is a whole number"),
        (["--executor", "slurmm"], "did you mean 'slurm'"),
        (["--executor", "none-such"], "known: dask, local, ray, slurm"),
        (["--executor", "dask[address=tcp://x:1]"], "--no-profile"),
        (["--executor", "dask", "--no-profile"], "name its scheduler"),
        (["--executor", "slurm[partitio=a]"], "did you mean"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_runs(words: list[str], said: str, tmp_path: Path) -> None:
    if words[-1] == "--no-profile":
        needs("distributed")
    given = run.command.make_context("dlbench run", ["-m", "perceptron", "-t", "digits", *words]).params
    with pytest.raises(UsageError, match=re.escape(said)):
        engine_of(discover(), {**given, "results": tmp_path}).open()


def test_limits_and_device_follow_from_the_resources() -> None:
    words = ["--executor", "slurm", "--resources", "gpus=1,cpus=4,mem=16GiB,time=30m"]
    given = run.command.make_context("dlbench run", words).params
    assert resources_of(given) == Resources(gpus=1, cpus=4, memory_bytes=16 << 30, time_s=1800)
    assert run.limits_of(given)["timeout_s"] == 1680
    assert run.request_of(discover(), given).runtime.device == "cuda:0"
    given = run.command.make_context("dlbench run", ["--executor", "ray", "--threads", "2", "--timeout", "60s"]).params
    assert resources_of(given) == Resources(cpus=2, time_s=660)
    assert run.limits_of(given)["timeout_s"] == 60
    assert run.request_of(discover(), given).runtime.device == "cpu"


def test_launches_on_machines_of_two_kinds_are_no_profile(tmp_path: Path) -> None:
    made = planned("perceptron", "digits", cells=False, profiles=True)
    machines = iter(["m", "m", "n"])

    class Moving(Scripted):
        def ended(self, handles: Sequence[str]) -> Mapping[str, Message | Lost]:
            found = answer(handles[0].partition("/")[0])
            found["done"]["result"] |= {"reason": "", "where": "", "body": {"flags": [], "params": 1}}
            return {handles[0]: {**found, "environment": {"machine": next(machines)}}}

    runner = Runner(
        catalog=discover(), results=Results(tmp_path), display=Silent(), limits=Limits(), data_root=tmp_path,
        cache=tmp_path, command="test", engine=Engine(open=lambda: Moving({}), resources=Resources()),
    )  # fmt: skip
    (record,) = runner.run(made)
    assert (record.status, record["fault"]) == ("failed", "core")
    assert "m and n" in record["reason"]


def test_the_hook_dlbench_executors_yields_what_the_extras_are_for() -> None:
    assert set(BUILDS) == {"slurm", "ray", "dask"} == set(discover(kinds=["executors"]).specs["executors"])
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(BUILDS) <= set(extras)
