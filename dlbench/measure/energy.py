"""Energy over a window, from counters that the hardware keeps. Power is never polled: on recent GPUs its samples cover
a quarter of the time (Yang, Adamek, Armour, 2023, "Part-time Power Measurements", arXiv 2312.02741)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from .nvml import find_gpu

SHORTEST_WINDOW_S = 2.0
"""Counters are refreshed every few tens of milliseconds; a shorter window would measure the refresh."""
_RAPL = Path("/sys/class/powercap/intel-rapl:0")


class Energy:
    """`with Energy(device, sync) as energy: ...`, then `energy.joules`: NVML's counter of a GPU, RAPL's of the first
    CPU package (all its processes together). None where there is no counter, or the window was under two seconds."""

    def __init__(self, device: str, sync: Callable[[], None] | None = None, rapl: Path = _RAPL) -> None:
        self._sync, self._rapl = sync, rapl
        self._gpu = find_gpu(device) if device.startswith("cuda") else None
        self._on_gpu = device.startswith("cuda")
        self._started: float | None = None
        self._start_time = 0.0
        self.joules: float | None = None

    @property
    def available(self) -> bool:
        """Whether there is a counter at all."""
        return self._read() is not None

    def __enter__(self) -> Energy:
        if self._sync is not None:
            self._sync()
        self._started, self._start_time = self._read(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sync is not None and kind is None:
            self._sync()
        window, ended = time.perf_counter() - self._start_time, self._read()
        if kind is None and self._started is not None and ended is not None and window >= SHORTEST_WINDOW_S:
            used = ended - self._started
            if used < 0:  # RAPL's counter starts over
                used += self._microjoules("max_energy_range_uj") or 0.0
            self.joules = used if used > 0 else None

    def _read(self) -> float | None:
        """Joules, from an arbitrary start."""
        if self._on_gpu:
            return self._gpu.energy_j() if self._gpu is not None else None
        return self._microjoules("energy_uj")

    def _microjoules(self, name: str) -> float | None:
        try:
            return int((self._rapl / name).read_text()) / 1e6
        except (OSError, ValueError):
            return None
