"""How long a run will take from here. What a cell needs to start is never stretched over the training that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from ..plan.plan import Job

PASSES = 4
"""Passes of a profile's launch, to foresee the first one: training, inference, latency, pipeline."""


@dataclass
class Going:
    """A cell that runs: when it began, how long it took to start, and when its first point came with which share of its
    budget."""

    begun: float
    start: float | None = None
    first: tuple[float, float] | None = None
    left: float | None = None
    foreseen: float = 0.0


@dataclass
class Forecast:
    """Told of what happens, says the seconds that are left; None where nothing is known yet."""

    clock: Callable[[], float] = time.monotonic
    _cells: dict[str, Job] = field(default_factory=dict)
    _profiles: dict[str, Job] = field(default_factory=dict)
    _at_once: int = 1
    _going: dict[str, Going] = field(default_factory=dict)
    _took: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    _starts: list[float] = field(default_factory=list)
    _launches: dict[str, int] = field(default_factory=dict)
    _launch_took: list[float] = field(default_factory=list)
    _launch_begun: float | None = None

    def begins(self, cells: Iterable[Job], profiles: Iterable[Job], at_once: int) -> None:
        """What is going to run, and how many cells at a time."""
        self._cells = {job.name: job for job in cells}
        self._profiles = {job.name: job for job in profiles}
        self._at_once = at_once

    def started(self, job: Job) -> None:
        self._going[job.name] = Going(self.clock())

    def point(self, job: Job, point: Mapping[str, Any]) -> None:
        """A curve's new point: its first says by the training clock how long the rest takes, the others by wall clock
        since then, which has the evaluations too."""
        going, now, share = self._going[job.name], self.clock(), point["share"]
        if going.start is None:
            going.start = max(0.0, now - going.begun - point.get("seconds", 0.0))
        if going.first is None or share <= going.first[1]:
            going.first = (now, share)
            left = point.get("seconds", 0.0) * (1 / share - 1) if share > 0 else None
        else:
            since, before = going.first
            left = (now - since) * (1 - share) / (share - before)
        going.left, going.foreseen = left, now

    def launch(self, job: Job, launch: int) -> None:
        """A profile's next launch begins; they come one after the other."""
        now = self.clock()
        if self._launch_begun is not None:
            self._launch_took.append(now - self._launch_begun)
        self._launch_begun = now
        self._launches[job.name] = launch - 1

    def ended(self, job: Job) -> None:
        going = self._going.pop(job.name, None)
        self._profiles.pop(job.name, None)
        if going is not None and self._cells.pop(job.name, None) is not None:
            took = self.clock() - going.begun
            if going.start is not None:
                self._starts.append(going.start)
            self._took.setdefault(_pair(job), []).append(took - (took if going.start is None else going.start))

    def left_out(self, model: str, task: str) -> None:
        """A pair turned out not to fit."""
        for jobs in (self._cells, self._profiles):
            for name in [name for name, job in jobs.items() if _pair(job) == (model, task)]:
                del jobs[name]
                self._going.pop(name, None)

    def of(self, job: Job) -> float | None:
        """Seconds until this cell has trained."""
        going = self._going.get(job.name)
        if going is None or going.left is None:
            return None
        return max(0.0, going.left - (self.clock() - going.foreseen))

    def of_run(self) -> float | None:
        """Seconds until all is done: every cell that is still to come as long as those of its pair, or of the run."""
        cells = 0.0
        for name, job in self._cells.items():
            going, whole = self._going.get(name), self._whole(job)
            if whole is None:
                return None
            left = self.of(job)
            elapsed = self.clock() - going.begun if going else 0.0
            cells += left if left is not None else max(0.0, whole - elapsed)
        return cells / self._at_once + sum(map(self._of_profile, self._profiles.values()))

    def _whole(self, job: Job) -> float | None:
        """Seconds of one cell, with the shortest start that was seen, but the run's first, which waits for torch."""
        start = min(self._starts[1:], default=0.0)
        if own := self._took.get(_pair(job)):
            return start + fmean(own)
        known = [seconds for all_of_pair in self._took.values() for seconds in all_of_pair]
        known = known or [
            going.foreseen - going.begun - going.start + going.left
            for going in self._going.values()
            if going.left is not None and going.start is not None
        ]
        return start + fmean(known) if known else None

    def _of_profile(self, job: Job) -> float:
        assert job.protocol is not None
        foreseen = PASSES * (job.protocol.warmup_s + job.protocol.rounds * job.protocol.block_s)
        one = fmean(self._launch_took) if self._launch_took else foreseen
        return one * (job.protocol.launches - self._launches.get(job.name, 0))


def _pair(job: Job) -> tuple[str, str]:
    return str(job.model), str(job.task)


def duration(seconds: float) -> str:
    """`40 s`, `12 min` or `3 h 05 min`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
