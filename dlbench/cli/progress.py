"""What a run shows while it goes: one line that rewrites itself in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from ..plan.plan import Job, Skip
from ..results import Record
from ..tables.layout import paragraph, terminal_width
from .forecast import Forecast, duration


def make_display(quiet: bool = False) -> Display:
    """A display for standard error."""
    if quiet:
        return Display(None)
    return Terminal(sys.stderr) if sys.stderr.isatty() else Display(sys.stderr)


class Display:
    """Plain lines: one when a job ends. Redrawn on events only, never by a timer. `split`: where the score comes from
    that is shown of a cell; while something is chosen, validation."""

    split = "test"

    def __init__(self, stream: TextIO | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream
        self.clock = clock
        self._begun: dict[str, float] = {}
        self._total = 0
        self._ended = 0

    def begins(self, cells: Sequence[Job], profiles: Sequence[Job], at_once: int) -> None:
        """What is going to run; plain lines leave it out."""

    def started(self, job: Job, position: int, total: int) -> None:
        if position == 0:
            self._ended = 0
        self._total = total
        self._begun[job.name] = self.clock()

    def progress(self, job: Job, point: Mapping[str, Any]) -> None:
        """A curve's new point, or a profile's next launch; plain lines leave them out."""

    def finished(self, job: Job, record: Record) -> None:
        begun = self._begun.pop(job.name, None)
        if begun is None:  # it never had a process
            self.line(f"{job.title}: {self.result(record)}")
            return
        self._ended += 1
        count = f"[{self._ended}/{self._total}] "
        spent = (
            "" if record.is_profile else f"{' in' if record.status == 'ok' else ', after'} {self.clock() - begun:.1f} s"
        )  # other profiles' launches between
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

    def result(self, record: Record) -> str:
        """How a record ended, in a few words."""
        if record.status != "ok":
            return f"{record.status}: {record['reason']}"
        if record.is_profile:
            return "measured"
        metric = record["task"]["metric"]
        value = record["metrics"][self.split].get(metric["name"], math.nan)
        return f"{self.split} {metric['name']} {shown(value, metric['unit'])}"


class Terminal(Display):
    """One line under the finished ones: the running cell, its epoch, its metric on validation, and the time left of the
    cell and of the run."""

    def __init__(self, stream: TextIO | None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream, clock)
        self._forecast = Forecast(clock)

    def begins(self, cells: Sequence[Job], profiles: Sequence[Job], at_once: int) -> None:
        self._forecast.begins(cells, profiles, at_once)
        if cells or profiles:
            kinds = [counted(len(jobs), what) for jobs, what in ((cells, "cell"), (profiles, "profile")) if jobs]
            self.line(f"To run: {' and '.join(kinds)}.")

    def started(self, job: Job, position: int, total: int) -> None:
        super().started(job, position, total)
        self._forecast.started(job)
        if job.protocol is None:
            self._status(job, self._ended + 1, ["loading data and model"])

    def progress(self, job: Job, point: Mapping[str, Any]) -> None:
        if "launch" in point:
            self._forecast.launch(job, point["launch"])
            self._status(job, self._ended, [f"timing, process {point['launch']} of {point['launches']}"])
            return
        self._forecast.point(job, point)
        value = f"validation {point['metric']} {shown(point['value'], point['unit'])}"
        left = self._forecast.of(job)
        cell = [] if left is None else [f"{duration(left)} left"]
        self._status(job, self._ended + 1, [f"epoch {point['epoch']:g}", value, *cell])

    def finished(self, job: Job, record: Record) -> None:
        self._forecast.ended(job)
        super().finished(job, record)

    def skipped(self, skip: Skip) -> None:
        self._forecast.left_out(skip.model, skip.task)
        super().skipped(skip)

    def line(self, text: str) -> None:
        lines = paragraph(text, terminal_width() - 1)
        self._write("\r\x1b[2K" + "".join(line + "\n" for line in lines))

    def _status(self, job: Job, number: int, parts: Sequence[str]) -> None:
        """The job, its parts and the time left of the run: what there is room for, whole words only. The last parts are
        worth more than the first, and than a long name."""
        run = self._forecast.of_run()
        end = "" if run is None else f" (run: {duration(run)})"
        count = f"[{number}/{self._total}] "
        seed = "profile" if job.protocol else f"seed {job.seed}"
        pair, last = f"{job.task} x {job.model}", parts[1:] or parts
        texts = [f"{count}{pair}, {seed}: {', '.join(some)}{end}" for some in (parts, last)]
        texts.append(f"{count}{pair}: {', '.join(last)}{end}")
        texts.append(f"{count}{seed}: {', '.join(parts)}{end}")
        room = terminal_width() - 1
        fitting = [text for text in texts if len(text) <= room]
        self._write("\r\x1b[2K" + (fitting[0] if fitting else paragraph(texts[-1], room)[0]))


def counted(count: int, what: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{count} {what}" + ("" if count == 1 else "s")


def shown(value: float, unit: str) -> str:
    """A metric's value with its unit: fractions as %."""
    return f"{100 * value:.2f} %" if unit == "fraction" else f"{value:.4g} {unit}"
