"""Readings taken in turns: on a machine that others use, its pace changes from second to second, and only what was
measured side by side can be compared. All times are processor time, which waiting for a core doesn't count."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable, Mapping


def cpu_s(call: Callable[[], object]) -> float:
    """Processor seconds that a call takes in this process."""
    start = time.process_time()
    call()
    return time.process_time() - start


def children_s(command: list[str], environment: Mapping[str, str] | None = None) -> float:
    """Processor seconds of a command in a fresh process, which must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_turns(readings: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Each reading once per round, in the opposite order every other round, after one round that doesn't count."""
    found: dict[str, list[float]] = {name: [] for name in readings}
    for read in readings.values():
        read()
    for index in range(rounds):
        for name in list(readings)[:: -1 if index % 2 else 1]:
            found[name].append(readings[name]())
    return found
