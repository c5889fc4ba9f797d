"""The embedded Reber grammar: Reber 1967, "Implicit Learning of Artificial Grammars", inside a frame that makes its
last-but-one symbol repeat its second one (Hochreiter and Schmidhuber 1997, "Long Short-Term Memory", experiment 1).

A string is B, T or P, a string of the inner grammar, the same T or P, E. The inner grammar writes B, walks through the
states below, each time one of two ways with probability 1/2, and writes E.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SYMBOLS = "BTPSXVE"
B, T, P, S, X, V, E = range(7)
END = 5  # the inner walk is over
WAYS = np.array([[T, P], [S, X], [T, V], [X, S], [P, V]])  # (5, 2): what is written on leaving a state
NEXT = np.array([[1, 2], [1, 3], [2, 4], [2, END], [3, END]])  # (5, 2): the state that it leads to
FRAME = 6  # symbols around a walk: B, T or P, B, then E, T or P, E
SHORTEST = FRAME + 3


@dataclass(frozen=True)
class Walks:
    """Inner walks of several lengths: `symbols` and `states` (N, W), the state before each symbol; `lengths` (N,)."""

    symbols: NDArray[np.int64]
    states: NDArray[np.int64]
    lengths: NDArray[np.int64]


def walk(count: int, most: int, random: np.random.RandomState) -> Walks:
    """`count` walks, cut after `most` symbols; the length of one that isn't over then is `most` + 1."""
    state = np.zeros(count, dtype=np.int64)
    symbols, states = np.zeros((2, count, most), dtype=np.int64)
    lengths = np.full(count, most + 1)
    for step in range(most):
        running = state < END
        way = random.randint(0, 2, count)
        at = np.where(running, state, 0)
        states[:, step], symbols[:, step] = at, WAYS[at, way]
        state = np.where(running, NEXT[at, way], END)
        lengths[running & (state == END)] = step + 1
    return Walks(symbols, states, lengths)


def share(shortest: int, longest: int) -> float:
    """The probability that a whole string has between `shortest` and `longest` symbols."""
    reached = np.zeros(END + 1)
    reached[0] = 1.0
    total = 0.0
    for length in range(FRAME + 1, longest + 1):
        moved = np.zeros(END + 1)
        np.add.at(moved, NEXT, np.repeat(reached[:END, None] / 2, 2, axis=1))
        reached = moved
        total += moved[END] if length >= shortest else 0.0
    return total


def strings(
    count: int, shortest: int, longest: int, random: np.random.RandomState
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """`count` strings, an even number, and for each place but the last which symbols may follow, as bits.

    They are independent but for this: each comes with its twin, which opens with the other of T and P.
    """
    found: list[NDArray[np.uint8]] = []
    legal: list[NDArray[np.uint8]] = []
    may = 1 << WAYS[:, 0] | 1 << WAYS[:, 1]  # (5,) as bits
    while len(found) < count:
        walks = walk(4096, longest - FRAME, random)
        fitting = (walks.lengths + FRAME >= shortest) & (walks.lengths + FRAME <= longest)
        for index in np.flatnonzero(fitting):
            length = walks.lengths[index]
            inner, allowed = walks.symbols[index, :length], may[walks.states[index, :length]]
            for frame in (T, P):
                found.append(np.array([B, frame, B, *inner, E, frame, E], dtype=np.uint8))
                legal.append(np.array([1 << T | 1 << P, 1 << B, *allowed, 1 << E, 1 << frame, 1 << E], dtype=np.uint8))
    return found[:count], legal[:count]


def cross_entropy(legal: list[NDArray[np.uint8]], shortest: int, longest: int) -> float:
    """What the grammar itself scores on strings, in nats per place, when it knows between which lengths they lie: every
    place with two ways costs ln 2, and every string gains the logarithm of the share that is kept."""
    choices = sum(int((row & (row - 1) != 0).sum()) for row in legal)
    gained = len(legal) * math.log(share(shortest, longest))
    return (choices * math.log(2) + gained) / sum(map(len, legal))
