"""Runs a plan: gives each job that isn't done a process, and makes a record of every outcome."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .. import __version__
from ..contract.executor import Executor, Message, Resources
from ..data.verify import HashCache
from ..measure.devices import cards
from ..measure.environment import fingerprint
from ..plan.catalog import Catalog
from ..plan.inputs import Roots, changed, kept, roots_of
from ..plan.plan import PROTOCOL, Job, Plan, Skip, treatment_of
from ..plan.versions import differences
from ..results import SCHEMA, Record, Results, is_done, now
from .grouping import copy_log, grouped, names_of, singles
from .local import LocalExecutor
from .remote import travelling

_HOW_TO_KEEP = " (--accept-stale keeps them)"


class Display(Protocol):
    """What shows a run to a person."""

    def begins(self, cells: Sequence[Job], profiles: Sequence[Job], at_once: int) -> None:
        """What is going to run, cells `at_once`; a profile whose cells fail will not."""
        ...

    def started(self, job: Job, position: int, total: int) -> None: ...
    def progress(self, job: Job, point: Mapping[str, Any]) -> None:
        """A cell's new point of its curve (`seconds`: of training so far, without its start), or the `launch` of
        `launches` that a profile begins."""
        ...

    def finished(self, job: Job, record: Record) -> None: ...
    def skipped(self, skip: Skip) -> None: ...
    def warn(self, text: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Per job: seconds of wall clock, bytes of growth above the start; None for no limit."""

    timeout_s: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Where jobs run that don't run here: what opens the executor, and what each cell is given there."""

    open: Callable[[], Executor]
    resources: Resources


@dataclass(kw_only=True)
class Runner:
    """Runs jobs into a results folder. `command` is recorded as what makes each record again. `accept_stale`: records
    made under other versions of packages count as done. `keep`: `pictures` where files of what tasks draw are
    wanted. `together`: cells that differ by seed alone train as one, where that is the same and faster. `engine`: None
    for this machine, where `spread` lets cells that run at once take a GPU each."""

    catalog: Catalog
    results: Results
    display: Display
    limits: Limits
    data_root: Path
    cache: Path
    command: str
    jobs: int = 1
    fresh: bool = False
    accept_stale: bool = False
    keep: tuple[str, ...] = ()
    together: bool = False
    engine: Engine | None = None
    spread: bool = False
    skips: list[Skip] = field(default_factory=list)
    ran: int = 0
    _executor: Executor | None = None
    _machines: dict[str, str] = field(default_factory=dict)
    _cards: tuple[str, ...] = ()
    _known_roots: dict[tuple[str, ...], Roots] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hashes = HashCache(self.cache)

    def run(self, plan: Plan) -> list[Record]:
        """Every record of the plan, old and new. Cells first; then profiles, each alone on the machine, of the pairs
        with a cell that ended ok. A job that turns out not to apply becomes a skip."""
        for suite in dict.fromkeys(job.suite for job in plan.jobs):
            mine = [job for job in plan.jobs if job.suite == suite]
            tuned = {job.square: dict(job.tuned) for job in mine if job.tuned is not None}
            self.results.assign(suite, {job.square: job.name for job in mine}, tuned)
        self.skips += plan.skips
        self.known = self.look_up(plan.jobs)
        cells = [job for job in plan.cells if job.name not in self.known and job.no_data is None]
        profiles = [job for job in plan.profiles if job.name not in self.known]
        self.display.begins(cells, profiles, self.jobs)
        with self.serving(plan.jobs) as executor:
            executor.jobs = self.jobs
            records = self._cells(plan.cells, executor)
            executor.jobs = 1
            good = {job.pair for job in plan.cells if (r := records.get(job.name)) and r.status == "ok"}
            profiles = [job for job in plan.profiles if not plan.cells or job.pair in good]
            records |= self._profiles(profiles, executor)
        return list(records.values())

    @contextmanager
    def serving(self, jobs: Sequence[Job]) -> Iterator[Executor]:
        """One executor for all plans that run inside; a local one's fork server is preloaded for these jobs."""
        if self._executor is not None:
            yield self._executor
            return
        preload = [module for job in jobs for module in job.preload]
        on_cuda = any(job.runtime.device_type == "cuda" for job in jobs)
        spread = self.spread and self.jobs > 1 and on_cuda and all(job.runtime.devices == 1 for job in jobs)
        self._cards = cards() if spread and not self.engine else ()
        local = LocalExecutor(preload, self.jobs, cards=self._cards)
        with self.engine.open() if self.engine else local as self._executor:
            try:
                yield self._executor
            finally:
                self._executor = None

    def _cells(self, cells: list[Job], executor: Executor) -> dict[str, Record]:
        records = {job.name: record for job in cells if (record := self._known(job)) is not None}
        todo = {job.name: job for job in cells if job.name not in records}
        for job in list(todo.values()):
            if job.no_data is not None:
                records[job.name] = self._save(job, {"status": "no_data", "reason": job.no_data, "where": ""})
                del todo[job.name]
        position = {name: i for i, name in enumerate(todo)}
        waiting: Iterable[Message] = map(self._message, todo.values())
        if self.together:
            waiting = grouped([*waiting], self.jobs)
        running: dict[str, Message] = {}
        apart: list[Message] = []

        def messages(waiting: Iterable[Message], begun: bool) -> Iterator[Message]:
            for message in waiting:
                for name in names_of(message):
                    self.display.started(todo[name], max(position[name], begun), len(todo))
                running[message["id"]] = message
                yield message

        def progress(message: Message) -> None:
            self._progress(todo[message.get("cell") or message["id"]], message)

        for begun, some in enumerate((waiting, apart)):  # the second time those whose groups came apart in the first
            for done in executor.run(messages(some, bool(begun)), progress):
                message = running.pop(done["id"])
                if (found := self._parted(message, done, todo)) is None:
                    apart += singles(message)
                    continue
                for name, result in found.items():
                    record = self._conclude(todo[name], result)
                    if record is not None:
                        records[name] = record
        return records

    def _parted(self, message: Message, done: Message, todo: Mapping[str, Job]) -> dict[str, Any] | None:
        """By name the results of the cells of a job; None where they must run alone, which is said."""
        result = outcome_of(done, self.limits)
        if "cells" not in message:
            return {done["id"]: result}
        if result["status"] == "ok":
            for cell in message["cells"][1:]:
                copy_log(message["log"], cell["log"])
            return {name: {**own, "inputs": result["inputs"]} for name, own in result["cells"].items()}
        why = result["reason"] if result["status"] == "apart" else f"{result['status']}: {result['reason']}"
        self.display.warn(f"{todo[done['id']].row}: each seed trains alone: {why}")
        return None

    def _progress(self, job: Job, message: Message) -> None:
        self.display.progress(job, message)
        self.catalog.follow(lambda: self._described(job), message["fold"], message["point"])

    def _profiles(self, profiles: list[Job], executor: Executor) -> dict[str, Record]:
        """The first launch of every profile, then the second of every one, and so on: a machine whose pace changes
        meanwhile is as fast or slow for all. A launch that doesn't end ok is its profile's last."""
        records = {job.name: record for job in profiles if (record := self._known(job)) is not None}
        todo = {job.name: job for job in profiles if job.name not in records}
        position = {name: i for i, name in enumerate(todo)}
        launches: dict[str, list[Any]] = {name: [] for name in todo}
        while todo:
            for name, job in list(todo.items()):
                self._show_launch(job, len(launches[name]), position[name], len(position))
                result = self._launch(job, launches[name], executor)
                if result is not None:
                    del todo[name]
                    record = self._conclude(job, result)
                    if record is not None:
                        records[name] = record
        return records

    def _show_launch(self, job: Job, done: int, position: int, total: int) -> None:
        assert job.protocol is not None
        if not done:
            self.display.started(job, position, total)
        self.display.progress(job, {"launch": done + 1, "launches": job.protocol.launches})

    def _launch(self, job: Job, launches: list[Any], executor: Executor) -> dict[str, Any] | None:
        """One more launch of a profile, added to those before; the profile's result where it was the last."""
        assert job.protocol is not None
        message = {**self._message(job), "first": not launches}
        (done,) = executor.run([message], lambda point: None)
        result = outcome_of(done, self.limits)
        profile = {"protocol": asdict(job.protocol), "launches": launches}
        if result["status"] != "ok":
            return {**result, "body": {"profile": profile}}
        machine = result["environment"]["machine"] if self.engine else ""
        if (first := self._machines.setdefault(job.name, machine)) != machine:
            reason = f"its launches ran on machines of two kinds, {first} and {machine}: choose nodes of one kind"
            return {**result, "status": "failed", "reason": reason, "fault": "core", "body": {"profile": profile}}
        launches.append({key: value for key, value in result["body"].items() if key not in ("cuda", "cudnn")})
        if len(launches) < job.protocol.launches:
            return None
        flags = sorted({flag for launch in launches for flag in launch["flags"]})
        body = {"profile": profile, "params": launches[0]["params"], "flags": flags}
        return {**result, "body": body}

    def look_up(self, jobs: Sequence[Job]) -> dict[str, Record]:
        """The records that are there and done, by name. What is stale is said, and runs again."""
        known: dict[str, Record] = {}
        stale: dict[str, int] = {}
        found = {} if self.fresh else self.results.find([job.name for job in jobs])
        for job in jobs:
            record = found.get(job.name)
            if record is None or not is_done(record, asdict(self.limits)):
                continue
            files = changed(record.get("inputs") or {}, self._roots(job), self.hashes)
            versions = [] if self.accept_stale else differences(record.get("versions") or {}, job.head["versions"])
            if why := ", ".join([*(f"{file} has changed" for file in files), *versions]):
                stale[why] = stale.get(why, 0) + 1
            else:
                known[job.name] = record
        self.hashes.save()
        for why, count in stale.items():
            self.display.warn(f"{count} stale, run again: {why}" + _HOW_TO_KEEP * (" -> " in why))
        return known

    def _roots(self, job: Job) -> Roots:
        targets = tuple(source.target for source in job.sources)
        if targets not in self._known_roots:
            self._known_roots[targets] = roots_of(targets, self.data_root)
        return self._known_roots[targets]

    def _known(self, job: Job) -> Record | None:
        return self.known.get(job.name)

    def _message(self, job: Job) -> Message:
        message = {
            "type": "job", "id": job.name, "alone": job.protocol is not None,
            "log": str(self.results.log_path(job.name).resolve()),
            **asdict(self.limits), "sources": [asdict(source) for source in job.sources],
            "model": str(job.model), "task": str(job.task), "recipe": job.recipe.recipe.as_settings(),
            "generated": job.head["task"]["data"] == "embedded",
            "runtime": job.runtime.as_dict(), "seed": job.seed,
            "protocol": asdict(job.protocol) if job.protocol else None,
            "pictures": str(self.results.pictures_path(job.name).resolve()) if "pictures" in self.keep else None,
            "data_root": str(self.data_root), "cache": str(self.cache),
        }  # fmt: skip
        return travelling(job, message) if self.engine else message

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
        inputs = result.get("kept") or {}  # of another machine, which has read its own files
        if "inputs" in result:
            inputs = kept(result["inputs"], job.covered, self._roots(job), self.hashes)
        cuda = {key: body.pop(key) for key in ("cuda", "cudnn") if key in body}
        shared = ["device_shared"] if job.protocol is None and self._is_shared(job) else []
        flags = list(dict.fromkeys([*job.flags, *shared, *body.pop("flags", [])]))
        record = Record({
            **self._described(job), "created": now(), "inputs": inputs, "status": result["status"],
            "reason": result["reason"], "where": result["where"], "flags": flags, "limits": asdict(self.limits),
            "environment": {**self._place(job, result), **cuda}, **body,
            **({"fault": result["fault"]} if "fault" in result else {}),
        })  # fmt: skip
        self.results.save(record)
        self.display.finished(job, record)
        self.catalog.announce(record)
        return record

    def _is_shared(self, job: Job) -> bool:
        """Whether others may use a cell's device meanwhile, as on an engine's machine they may, but for its own GPU."""
        if self.engine is not None:
            return job.runtime.device == "cpu" or not self.engine.resources.gpus
        return self.jobs > (max(1, len(self._cards)) if job.runtime.device_type == "cuda" else 1)

    def _place(self, job: Job, result: Mapping[str, Any]) -> dict[str, Any]:
        """The fingerprint of the machine that a job ran on; of a worker that was lost nothing is known."""
        there = result.get("environment")
        device = f"cuda:{result['card']}" if "card" in result else job.runtime.device
        return there or ({"machine": "unknown"} if "lost" in result else fingerprint(device))

    def _described(self, job: Job) -> dict[str, Any]:
        """What a job's record says that is known before it runs."""
        return {
            "schema": SCHEMA, "name": job.name, "type": "profile" if job.protocol else "cell", "dlbench": __version__,
            "protocol": PROTOCOL, "command": self.command, "suite": job.suite, "variant": job.variant,
            "seed": job.seed, **job.head, "square": job.square, "recipe": job.recipe.recipe.as_settings(),
            "layers": dict(job.recipe.layers), "runtime": job.runtime.as_dict(),
            **({"tuned": dict(job.tuned)} if job.tuned is not None else {}),
            **({"treatment": treatment} if (treatment := treatment_of(job)) else {}),
        }  # fmt: skip


def outcome_of(done: Message, limits: Limits) -> dict[str, Any]:
    """What a `done` message means: the child's own word, unless it was ended before it could say one."""
    place = {key: done[key] for key in ("environment", "lost", "card") if key in done}
    if done["result"] is not None and not done["timed_out"]:
        return {**done["result"], **place}
    return _ended_by(done, limits) | place


def _ended_by(done: Message, limits: Limits) -> dict[str, Any]:
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
