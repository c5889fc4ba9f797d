"""Turns of two processes that are timed against each other: while one works, the other waits.

A busy machine's pace changes within milliseconds, so the two change places after a few of them. Each waits for a byte
in a pipe of its own, a named one, and then writes one into the other's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from . import clock
from .clock import Blocks, Step

TURN_S, MOST, FEWEST, ENOUGH_S = 0.005, 40, 5, 1.0
"""Seconds of a turn; how many a process takes at most and at least; seconds of its turns after which it has enough."""


class Turns:
    """This process's side: `mine` and `theirs` are the paths of the two pipes."""

    def __init__(self, mine: str, theirs: str) -> None:
        self._mine, self._theirs = (
            os.open(path, os.O_RDWR) for path in (mine, theirs)
        )  # neither waits for its other end

    def __enter__(self) -> None:
        os.read(self._mine, 1)

    def __exit__(self, *_: object) -> None:
        os.write(self._theirs, b".")


def time_turns(step: Step, turns: Turns, sync: Callable[[], None]) -> Blocks:
    """One block in each turn, after an untimed step, because the other's turn has left nothing in the caches."""
    blocks = Blocks(steps=clock.choose_steps(step, TURN_S, sync))
    spent = 0.0
    while len(blocks.wall_s) < FEWEST or (len(blocks.wall_s) < MOST and spent < ENOUGH_S):
        with turns:
            start = time.perf_counter()
            step()
            clock.time_block(step, blocks, sync)
            spent += time.perf_counter() - start
    return blocks
