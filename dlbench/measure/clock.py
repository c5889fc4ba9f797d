"""Timing in blocks: many steps between two readings of the clock, the device's queue kept full, synchronised once.

A reading per step costs 0.5 % of a small step and drains the queue; a block of 0.2 s costs nothing and hides nothing.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

Step = Callable[[], int]
"""Does one step and returns how many units (images, tokens, nodes) it handled."""

STABLE = 0.05
"""A pass may end once the interquartile range of its blocks is under this share of their median."""
NOISY, UNUSABLE = 0.10, 0.25
"""The thresholds of torch.utils.benchmark."""
_TIMER_SHARE = 1e-4
_ALIKE = 0.02


class _Event:
    """A CUDA event on the current stream of one device."""

    def __init__(self, device: str) -> None:
        import torch

        self._torch, self._device = torch, device
        self._event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]

    def record(self) -> None:
        self._event.record(self._torch.cuda.current_stream(self._device))

    def elapsed_ms(self, later: _Event) -> float:
        return float(self._event.elapsed_time(later._event))


def _event_pair(device: str) -> tuple[_Event, _Event] | None:
    return (_Event(device), _Event(device)) if device.startswith("cuda") else None


@dataclass
class Blocks:
    """What one pass read, one entry per block. `wall_s` and `cpu_s` are seconds per step, `units` the units of a whole
    block of `steps` steps, `device_s` the seconds per step between CUDA events at its ends (empty on the CPU)."""

    steps: int
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    units: list[int] = field(default_factory=list)
    device_s: list[float] = field(default_factory=list)

    @property
    def units_per_s(self) -> float:
        """The median over blocks."""
        return median(units / (self.steps * wall) for units, wall in zip(self.units, self.wall_s, strict=True))

    @property
    def spread(self) -> float:
        """Interquartile range over median of the blocks' seconds per unit: batches of different sizes are no noise."""
        pairs = zip(self.wall_s, self.units, strict=True)
        return iqr_over_median([wall * self.steps / units if units else wall for wall, units in pairs])


def iqr_over_median(values: list[float]) -> float:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float((high - low) / middle)


def device_sync(device: str) -> Callable[[], None]:
    """Waits until the device has done all that it was given; does nothing on the CPU."""
    if not device.startswith("cuda"):
        return lambda: None
    import torch

    return lambda: torch.cuda.synchronize(device)


def settle_limit(rounds: int, block_s: float) -> float:
    """How long a pass may go on for a stable reading: one and a half times its window; a quick protocol's (under a
    second) not at all. Waiting longer on a busy machine costs minutes per profile and doesn't calm it; what stays
    unstable is flagged."""
    window = rounds * block_s
    return 1.5 * window if window >= 1.0 else 0.0


def time_blocks(
    step: Step,
    *,
    rounds: int,
    block_s: float,
    sync: Callable[[], None],
    device: str = "cpu",
    limit_s: float | None = None,
    after: Callable[[], object] = lambda: None,
) -> Blocks:
    """At least `rounds` blocks of at least `block_s` seconds (and long enough for the timer to cost under 1e-4), until
    they are stable or `limit_s` (default: `settle_limit`) is over. `after` is called after each, off the clock. Every
    block that was timed is returned."""
    limit = settle_limit(rounds, block_s) if limit_s is None else limit_s
    blocks = Blocks(steps=choose_steps(step, max(block_s, timer_cost() / _TIMER_SHARE), sync))
    events = _event_pair(device)
    start = time.perf_counter()
    while len(blocks.wall_s) < rounds or (blocks.spread >= STABLE and time.perf_counter() - start < limit):
        gc.collect()  # between blocks, where cycles may pile up while automatic collection is off
        time_block(step, blocks, sync, events)
        after()
    return blocks


def time_block(
    step: Step, blocks: Blocks, sync: Callable[[], None], events: tuple[_Event, _Event] | None = None
) -> None:
    """One more block, read at its ends."""
    steps, units = blocks.steps, 0
    repeat = range(steps)
    sync()
    cpu, wall = time.process_time(), time.perf_counter()
    if events is not None:
        events[0].record()
    for _ in repeat:
        units += step()
    if events is not None:
        events[1].record()
    sync()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    blocks.wall_s.append(wall / steps)
    blocks.cpu_s.append(cpu / steps)
    blocks.units.append(units)
    if events is not None:
        blocks.device_s.append(events[0].elapsed_ms(events[1]) / 1000 / steps)


def choose_steps(step: Step, block_s: float, sync: Callable[[], None]) -> int:
    """How many steps last `block_s` seconds: doubled until a trial comes near, then scaled."""

    def trial() -> float:
        sync()
        start = time.perf_counter()
        for _ in range(steps):
            step()
        sync()
        return time.perf_counter() - start

    steps = 1
    while True:
        elapsed = trial()
        if block_s / 2 <= elapsed < 4 * block_s:
            elapsed = min(elapsed, trial())  # one that was interrupted looks long
        if elapsed >= block_s / 2:
            return max(1, math.ceil(1.1 * steps * block_s / elapsed))
        steps *= 2 if elapsed > 0 else 16


def timer_cost() -> float:
    """Seconds that one pair of readings costs; the least of several trials, because some are interrupted."""
    readings, trials = 20, []
    for _ in range(10):
        start = time.perf_counter()
        for _ in range(readings):
            time.process_time()
            time.perf_counter()
        trials.append(2 * (time.perf_counter() - start) / readings)
    return min(trials)


def warm_up(step: Step, *, warmup_s: float, sync: Callable[[], None], limit_s: float | None = None) -> bool:
    """At least 10 steps and `warmup_s` seconds, until two neighbouring blocks of steps agree within 2 % in their
    medians.

    Gives up, and returns False, after `limit_s` (default: five times `warmup_s`), or
    after 100 steps and four times `warmup_s`.
    """
    limit = 5 * warmup_s if limit_s is None else limit_s
    start, steps, medians = time.perf_counter(), 0, list[float]()
    while True:
        block = _singles_for(step, warmup_s / 5, sync)
        medians.append(median(block))
        steps += len(block)
        elapsed = time.perf_counter() - start
        alike = len(medians) > 1 and abs(medians[-1] - medians[-2]) < _ALIKE * medians[-2]
        if alike and steps >= 10 and elapsed >= warmup_s:
            return True
        if elapsed >= limit or (steps >= 100 and elapsed >= 4 * warmup_s):
            return False


def _singles_for(step: Step, block_s: float, sync: Callable[[], None]) -> list[float]:
    """Seconds of synchronised single steps, for `block_s` seconds, two at least."""
    end, seconds = time.perf_counter() + block_s, list[float]()
    while len(seconds) < 2 or time.perf_counter() < end:
        seconds.append(_single(step, sync))
    return seconds


def _single(step: Callable[[], object], sync: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    sync()
    return time.perf_counter() - start


def time_single_steps(
    step: Callable[[], object],
    *,
    seconds: float,
    sync: Callable[[], None],
    least: int = 100,
    limit_s: float | None = None,
) -> list[float]:
    """Seconds of single steps, each synchronised: for `seconds`, and until there are `least` of them, but not longer
    than `limit_s` (default: three times `seconds`)."""
    limit = 3 * seconds if limit_s is None else limit_s
    found: list[float] = []
    sync()
    start = time.perf_counter()
    while not found or (elapsed := time.perf_counter() - start) < seconds or (len(found) < least and elapsed < limit):
        found.append(_single(step, sync))
    return found


@contextmanager
def steady(step: Callable[[], object] | None = None, sync: Callable[[], None] | None = None) -> Iterator[None]:
    """No automatic garbage collection inside, and what lives already is set aside, so that a collection by hand is
    cheap. Two more untimed steps come first, because the first ones after a collection are slower."""
    was_on = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        if step is not None:
            step()
            step()
        if sync is not None:
            sync()
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


@dataclass(frozen=True)
class DeviceWork:
    """What a CUDA device did for one step: the seconds in which anything ran on it (kernels, copies, fills; at once
    counts once), and how many of them there were."""

    busy_s: float
    launches: float


def device_work(step: Callable[[], object], sync: Callable[[], None], repeats: int = 3) -> DeviceWork | None:
    """Read off the profiler's trace of some steps, so that neither the host's pace nor the length of the launch queue
    (1,024) is in it. None where the trace has nothing of the device. Tracing may slow what runs later: call it after
    all that is timed."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        for _ in range(repeats):
            step()
        sync()
    on_device = [e for e in profiler.events() if e.device_type.name == "CUDA" and not e.is_user_annotation]
    if not on_device:
        return None
    microseconds = covered([(e.time_range.start, e.time_range.end) for e in on_device])
    return DeviceWork(busy_s=microseconds / 1e6 / repeats, launches=len(on_device) / repeats)


def covered(spans: list[tuple[float, float]]) -> float:
    """The length of the union of spans (start, end)."""
    total, reached = 0.0, -math.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
