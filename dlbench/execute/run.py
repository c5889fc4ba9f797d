"""Runs a plan: gives each job that isn't done a process, and makes a record of every outcome."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .. import __version__
from ..catalog import Catalog
from ..measure.environment import fingerprint
from ..plan import PROTOCOL, Job, Plan, Skip
from ..results import SCHEMA, Record, Results, is_done, now
from .local import LocalExecutor, Message


class Display(Protocol):
    """What shows a run to a person."""

    def started(self, job: Job, position: int, total: int) -> None: ...
    def progress(self, job: Job, point: Mapping[str, Any]) -> None: ...
    def finished(self, job: Job, record: Record) -> None: ...
    def skipped(self, skip: Skip) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Per job: seconds of wall clock, bytes of growth above the start; None for no limit."""

    timeout_s: float | None = None
    memory_bytes: int | None = None


@dataclass(kw_only=True)
class Runner:
    """Runs jobs into a results folder. `command` is recorded as what makes each record again."""

    catalog: Catalog
    results: Results
    display: Display
    limits: Limits
    data_root: Path
    cache: Path
    command: str
    jobs: int = 1
    fresh: bool = False
    skips: list[Skip] = field(default_factory=list)
    ran: int = 0

    def run(self, plan: Plan) -> list[Record]:
        """Every record of the plan, old and new. Cells first; then profiles, each alone on the machine, of the pairs
        with a cell that ended ok. A job that turns out not to apply becomes a skip."""
        for suite in dict.fromkeys(job.suite for job in plan.jobs):
            self.results.assign(suite, {job.square: job.name for job in plan.jobs if job.suite == suite})
        self.skips += plan.skips
        preload = [module for job in plan.jobs for module in job.preload]
        with LocalExecutor(preload, self.jobs) as executor:
            records = self._cells(plan.cells, executor)
            executor.jobs = 1
            good = {job.pair for job in plan.cells if (r := records.get(job.name)) and r.status == "ok"}
            profiles = [job for job in plan.profiles if not plan.cells or job.pair in good]
            for position, job in enumerate(profiles):
                record = self._profile(job, executor, position, len(profiles))
                if record is not None:
                    records[job.name] = record
        return list(records.values())

    def _cells(self, cells: list[Job], executor: LocalExecutor) -> dict[str, Record]:
        records = {job.name: record for job in cells if (record := self._known(job)) is not None}
        todo = {job.name: job for job in cells if job.name not in records}
        for job in list(todo.values()):
            if job.no_data is not None:
                records[job.name] = self._save(job, {"status": "no_data", "reason": job.no_data, "where": ""})
                del todo[job.name]
        position = {name: i for i, name in enumerate(todo)}

        def messages() -> Iterator[Message]:
            for job in todo.values():
                self.display.started(job, position[job.name], len(todo))
                yield self._message(job)

        for done in executor.run(messages(), lambda point: self.display.progress(todo[point["id"]], point)):
            job = todo[done["id"]]
            record = self._conclude(job, outcome_of(done, self.limits))
            if record is not None:
                records[job.name] = record
        return records

    def _profile(self, job: Job, executor: LocalExecutor, position: int, total: int) -> Record | None:
        assert job.protocol is not None
        if (known := self._known(job)) is not None:
            return known
        self.display.started(job, position, total)
        launches: list[Any] = []
        for _ in range(job.protocol.launches):
            (done,) = executor.run([self._message(job)], lambda point: None)
            result = outcome_of(done, self.limits)
            if result["status"] != "ok":
                unfinished = {"profile": {"protocol": asdict(job.protocol), "launches": launches}}
                return self._conclude(job, {**result, "body": unfinished})
            launches.append({key: value for key, value in result["body"].items() if key not in ("cuda", "cudnn")})
        flags = sorted({flag for launch in launches for flag in launch["flags"]})
        profile = {"protocol": asdict(job.protocol), "launches": launches}
        body = {"profile": profile, "params": launches[0]["params"], "flags": flags}
        return self._conclude(job, {"status": "ok", "reason": "", "where": "", "body": body})

    def _known(self, job: Job) -> Record | None:
        record = self.results.load(job.name)
        return record if not self.fresh and is_done(record, asdict(self.limits)) else None

    def _message(self, job: Job) -> Message:
        return {
            "type": "job", "id": job.name, "log": str(self.results.log_path(job.name).resolve()),
            **asdict(self.limits), "sources": [asdict(source) for source in job.sources],
            "model": str(job.model), "task": str(job.task), "recipe": job.recipe.recipe.as_settings(),
            "runtime": job.runtime.as_dict(), "seed": job.seed,
            "protocol": asdict(job.protocol) if job.protocol else None,
            "data_root": str(self.data_root), "cache": str(self.cache),
        }  # fmt: skip

    def _conclude(self, job: Job, result: Mapping[str, Any]) -> Record | None:
        """The outcome's record, or None for a skip."""
        if result["status"] == "skip":
            skip = Skip(job.suite, str(job.model), str(job.task), result["reason"])
            if skip not in self.skips:
                self.skips.append(skip)
                self.display.skipped(skip)
            return None
        return self._save(job, result)

    def _save(self, job: Job, result: Mapping[str, Any]) -> Record:
        self.ran += 1
        body = dict(result.get("body") or {})
        cuda = {key: body.pop(key) for key in ("cuda", "cudnn") if key in body}
        shared = ["device_shared"] if self.jobs > 1 and job.protocol is None else []
        flags = list(dict.fromkeys([*job.flags, *shared, *body.pop("flags", [])]))
        record = Record({
            "schema": SCHEMA, "name": job.name, "type": "profile" if job.protocol else "cell", "created": now(),
            "dlbench": __version__, "protocol": PROTOCOL, "command": self.command, "suite": job.suite,
            "variant": job.variant, "seed": job.seed, **self._provenance(job),
            "recipe": job.recipe.recipe.as_settings(), "layers": dict(job.recipe.layers),
            "runtime": job.runtime.as_dict(), "status": result["status"], "reason": result["reason"],
            "where": result["where"], "flags": flags, "limits": asdict(self.limits),
            "environment": {**fingerprint(job.runtime.device), **cuda}, **body,
        })  # fmt: skip
        self.results.save(record)
        self.display.finished(job, record)
        self.catalog.announce(record)
        return record

    def _provenance(self, job: Job) -> dict[str, Any]:
        version = self.catalog.provider("models", job.model.name).version
        return {**job.head, "model": {**job.head["model"], "plugin_version": version}}


def outcome_of(done: Message, limits: Limits) -> dict[str, Any]:
    """What a `done` message means: the child's own word, unless it was ended before it could say one."""
    if done["result"] is not None and not done["timed_out"]:
        return dict(done["result"])
    if done["timed_out"]:
        return _ended("timeout", f"still running after {limits.timeout_s:g} s; give --timeout more to try again")
    code = done["exit"]
    if code == -signal.SIGKILL and done["oom_killed"]:
        return _ended("oom", "the kernel ended it because the machine ran out of memory")
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return _ended("crashed", f"ended by {name}")
    return _ended("crashed", f"the process left with exit status {code} before it could report")


def _ended(status: str, reason: str) -> dict[str, Any]:
    return {"status": status, "reason": reason, "where": ""}
