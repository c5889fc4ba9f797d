"""What a run shows while it goes: one line that rewrites itself in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from ..plan.plan import Job, Skip
from ..results import Record
from ..tables.layout import terminal_width


def make_display(quiet: bool = False) -> Display:
    """A display for standard error."""
    if quiet:
        return Display(None)
    return Terminal(sys.stderr) if sys.stderr.isatty() else Display(sys.stderr)


class Display:
    """Plain lines: one when a job ends. Redrawn on events only, never by a timer."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self._begun: dict[str, float] = {}
        self._total = 0
        self._ended = 0

    def started(self, job: Job, position: int, total: int) -> None:
        if position == 0:
            self._ended = 0
        self._total = total
        self._begun[job.name] = time.monotonic()

    def progress(self, job: Job, point: Mapping[str, Any]) -> None:
        """A curve's new point, or a profile's next launch; plain lines leave them out."""

    def finished(self, job: Job, record: Record) -> None:
        begun = self._begun.pop(job.name, None)
        if begun is None:  # it never had a process
            self.line(f"{job.title}: {self.result(record)}")
            return
        self._ended += 1
        count = f"[{self._ended}/{self._total}] "
        spent = "" if record.is_profile else f" in {time.monotonic() - begun:.1f} s"  # other profiles' launches between
        self.line(f"{count}{job.title}: {self.result(record)}{spent}")

    def skipped(self, skip: Skip) -> None:
        self.line(f"{skip.task} x {skip.model}: skipped: {skip.reason}")

    def warn(self, text: str) -> None:
        """What must be seen, also beside JSON."""
        print(f"dlbench: {text}", file=sys.stderr, flush=True)

    def line(self, text: str) -> None:
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        if self.stream is not None:
            try:
                self.stream.write(text)
                self.stream.flush()
            except OSError:  # nobody reads it any more, which is no reason to stop the run
                self.stream = None

    @staticmethod
    def result(record: Record) -> str:
        """How a record ended, in a few words."""
        if record.status != "ok":
            return f"{record.status}: {record['reason']}"
        if record.is_profile:
            return "measured"
        metric = record["task"]["metric"]
        value = record["metrics"]["test"][metric["name"]]
        return f"{metric['name']} {shown(value, metric['unit'])}"


class Terminal(Display):
    """One line under the finished ones: the running cell, its epoch, metric and time left."""

    def started(self, job: Job, position: int, total: int) -> None:
        super().started(job, position, total)
        self._status(f"[{self._ended + 1}/{total}] {job.title} ...")

    def progress(self, job: Job, point: Mapping[str, Any]) -> None:
        if "launch" in point:
            done = f"[{self._ended}/{self._total}] "
            self._status(f"{done}{job.title}: launch {point['launch']} of {point['launches']} ...")
            return
        spent = time.monotonic() - self._begun[job.name]
        left = spent * (1 / point["share"] - 1) if point["share"] > 0 else 0.0
        value = f"{point['metric']} {shown(point['value'], point['unit'])}"
        self._status(
            f"[{self._ended + 1}/{self._total}] {job.title}: epoch {point['epoch']:g}, {value}, {left:.0f} s left"
        )

    def line(self, text: str) -> None:
        self._write("\r\x1b[2K" + text + "\n")

    def _status(self, text: str) -> None:
        width = terminal_width()
        self._write("\r\x1b[2K" + text[: width - 1])


def shown(value: float, unit: str) -> str:
    """A metric's value with its unit: fractions as %."""
    return f"{100 * value:.2f} %" if unit == "fraction" else f"{value:.4g} {unit}"
