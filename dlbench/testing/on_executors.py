"""Checks of executors: cells that end in every way end there as they do on this machine."""

from __future__ import annotations

import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..contract.executor import Executor, Resources
from ..data.root import default_cache
from ..execute.run import Engine, Limits, Runner
from ..plan.catalog import Catalog, discover
from ..plan.plan import Plan, Request, plan
from ..results import Record, Results
from .parts import Check, Finding, Unreached, findings_of
from .running import Silent

STRESS = str(Path(__file__).with_name("stress.py"))
ENDS = {
    "speaks": "ok", "raises": "failed", "leaves": "crashed", "beats": "timeout", "allocates": "oom",
    "kills_its_worker": "crashed",
}  # fmt: skip
TIMEOUT_S, MEMORY_BYTES = 15.0, 1 << 30
NUMBERS = ("metrics", "params", "epochs", "steps", "examples", "selected_step", "inputs", "versions")


def check_executor(name: str, open: Callable[[], Executor], folder: Path, *, jobs: int = 2) -> list[Finding]:
    """Check an executor, which `open` returns each time anew, with about ten short cells on the CPU. `folder` is one
    that this machine and the workers see; `name` stands in the findings."""
    return findings_of(_checks(name, open, folder.resolve(), jobs))


def _checks(name: str, open: Callable[[], Executor], folder: Path, jobs: int) -> Iterator[Check]:
    catalog = discover([STRESS])

    @functools.cache
    def there() -> dict[str, Record]:
        return _run(catalog, folder, "there", open, jobs, [*ENDS])

    @functools.cache
    def here() -> dict[str, Record]:
        return _run(catalog, folder, "here", None, jobs, ["speaks"])

    for way, status in ENDS.items():
        yield Check(name, f"a cell that {way} is `{status}`", lambda w=way, s=status: _status(there()[w], w, s))  # type: ignore[misc]
    yield Check(name, "its numbers are those of this machine, bit for bit", lambda: _numbers(there(), here()))
    yield Check(name, "logs are kept", lambda: _log(folder / "there"))
    yield Check(name, "records say where they ran, and under which limits", lambda: _place(there()))
    yield Check(name, "a cell whose worker is killed runs once more", lambda: _again(folder, there()))
    yield Check(name, "what still runs ends with the run", lambda: _ends(catalog, folder, open))


def _plan(catalog: Catalog, folder: Path, ways: list[str]) -> Plan:
    models = tuple(f"stress[how={way},folder={folder}]" for way in ways)
    return plan(catalog, Request(
        models=models, tasks=("halves",), seeds=(0,), profiles=False, data_root=folder / "data", cache=default_cache()
    ))  # fmt: skip


def _runner(catalog: Catalog, folder: Path, open: Callable[[], Executor] | None, jobs: int) -> Runner:
    return Runner(
        catalog=catalog, results=Results(folder), display=Silent(), data_root=folder / "data", cache=default_cache(),
        limits=Limits(timeout_s=TIMEOUT_S, memory_bytes=MEMORY_BYTES), command="check_executor", jobs=jobs,
        engine=Engine(open=open, resources=Resources()) if open else None,
    )  # fmt: skip


def _run(
    catalog: Catalog, folder: Path, where: str, open: Callable[[], Executor] | None, jobs: int, ways: list[str]
) -> dict[str, Record]:
    """The records of the cells that end in these ways, by way."""
    made = _plan(catalog, folder, ways)
    names = {job.name: way for job, way in zip(made.cells, ways, strict=True)}
    return {names[record.name]: record for record in _runner(catalog, folder / where, open, jobs).run(made)}


def _status(record: Record, way: str, status: str) -> str:
    if way == "kills_its_worker" and "there is no worker" in str(record["reason"]):
        raise Unreached
    assert record.status == status, f"{record.status}: {record['reason']}"
    return str(record["reason"])


def _numbers(there: dict[str, Record], here: dict[str, Record]) -> None:
    for key in NUMBERS:
        found, wanted = there["speaks"].get(key), here["speaks"].get(key)
        assert found == wanted, f"{key}: {found}, not {wanted}"


def _log(results: Path) -> None:
    assert any("the network speaks" in path.read_text() for path in results.glob("logs/*.log")), "nothing is in them"


def _place(records: dict[str, Record]) -> str:
    machine = records["speaks"]["environment"]["machine"]
    limits: dict[str, Any] = records["beats"]["limits"]
    assert machine
    assert limits == {"timeout_s": TIMEOUT_S, "memory_bytes": MEMORY_BYTES}, limits
    return str(machine)


def _again(folder: Path, records: dict[str, Record]) -> None:
    if not (folder / "killed").exists():
        raise Unreached
    count = len((folder / "killed").read_text().split())
    assert count == 2, f"it ran {count} times"
    assert [r for r in records.values() if r.status == "ok"], "no other cell ended ok"


def _ends(catalog: Catalog, folder: Path, open: Callable[[], Executor]) -> None:
    """A cell is running, as its file shows, when its run is interrupted."""
    beat = folder / "beat"
    beat.unlink(missing_ok=True)
    made = _plan(catalog, folder, ["beats"])
    runner = _runner(catalog, folder / "left", open, 1)
    runner.limits, main = Limits(timeout_s=300), threading.main_thread().ident or 0

    def interrupt() -> None:
        _until(beat.exists, "it didn't begin")
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        runner.run(made)
    except KeyboardInterrupt:
        _until(lambda: time.time() - float(beat.read_text() or time.time()) > 3, "it still runs", 60)
    else:
        raise AssertionError("it ended by itself")


def _until(holds: Callable[[], bool], otherwise: str, patience_s: float = 120) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)
