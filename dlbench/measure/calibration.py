"""A fixed program, timed before and after each block of a profile, that tells a slower machine from a slower program.

It is part of the protocol: readings of two records can be compared only where their programs are the same to the
letter, which `fingerprint` says. It has a share of each thing that a step is made of: matrix products, work that moves
much memory, many small operations, and Python.
"""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

RUNS = 3
"""Of the program in one reading; the median counts, because some are interrupted."""


@dataclass(frozen=True)
class Reading:
    """Seconds of wall clock and of this process's processors for one run of the program."""

    wall_s: float
    cpu_s: float


class Calibration:
    """The program on a device; its first run, which initialises, is not timed. A reading takes 15 to 30 ms on a CPU."""

    def __init__(self, device: str, sync: Callable[[], None]) -> None:
        side = 2048 if device.startswith("cuda") else 224
        self._sync = sync
        self._square = _ramp(side * side, device).view(side, side) / side
        self._long = _ramp(8 * side * side, device)
        self._room = torch.empty_like(self._long)
        self._small = _ramp(16, device)
        self._run()

    def read(self) -> Reading:
        """One reading."""
        found = [self._time() for _ in range(RUNS)]
        return Reading(median(wall for wall, _ in found), median(cpu for _, cpu in found))

    def _time(self) -> tuple[float, float]:
        self._sync()
        cpu, wall = time.process_time(), time.perf_counter()
        self._run()
        return time.perf_counter() - wall, time.process_time() - cpu

    def _run(self) -> None:
        program(self._square, self._long, self._room, self._small)
        self._sync()


@torch.no_grad()
def program(square: Tensor, long: Tensor, room: Tensor, small: Tensor) -> int:
    """Works on a matrix (S, S), a long vector and a short one, none of which it changes. What it makes of the long one
    goes to `room`: memory asked for anew would cost more on one day than on another."""
    x = square
    for _ in range(3):
        x = torch.tanh(x @ square)
    for _ in range(3):
        torch.add(long, long, alpha=0.5, out=room)
        room.relu_().add_(long)
    z = small
    for _ in range(150):
        z = z * 0.5 + small
    count = 0
    for number in range(12_000):
        count += number & 1
    return count


def fingerprint() -> str:
    """Which program it is: a digest of its source."""
    source = f"{RUNS}{inspect.getsource(Calibration)}{inspect.getsource(program)}"
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def _ramp(count: int, device: str) -> Tensor:
    return torch.linspace(-1, 1, count, dtype=torch.float32, device=device)
