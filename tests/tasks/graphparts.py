"""Small graphs for tests of what is drawn: as squares of booleans, stacks of these, and batches."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from dlbench import GraphBatch
from dlbench_generation.graphs.sampling import to_set
from dlbench_generation.graphs.statistics import Stack

NAMED: dict[str, list[tuple[int, int]]] = {
    "path": [(0, 1), (1, 2), (2, 3)],
    "star": [(0, 1), (0, 2), (0, 3)],
    "cycle": [(0, 1), (1, 2), (2, 3), (3, 0)],
    "paw": [(0, 1), (1, 2), (2, 0), (2, 3)],
    "diamond": [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)],
    "complete": [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3)],
}
"""The connected graphs of four nodes."""


def square(size: int, pairs: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    """The graph of so many nodes with these edges."""
    found = np.zeros((size, size), dtype=bool)
    for i, j in pairs:
        found[i, j] = found[j, i] = True
    return found


def stack(*squares: NDArray[np.bool_], room_for: int = 0) -> Stack:
    """Graphs together, with room for at least so many nodes."""
    most = max(room_for, *(len(each) for each in squares))
    edges = np.zeros((len(squares), most, most), dtype=bool)
    for index, each in enumerate(squares):
        edges[index, : len(each), : len(each)] = each
    return Stack(edges, np.array([len(each) for each in squares]))


def some(count: int, size: int, chance: float, seed: int = 0) -> list[NDArray[np.bool_]]:
    """Random graphs of one size."""
    upper = np.triu(np.random.RandomState(seed).random_sample((count, size, size)) < chance, 1)
    return list(upper | upper.transpose(0, 2, 1))


def batch(graphs: Stack) -> GraphBatch:
    """As a model would draw them."""
    return to_set(graphs).gather(torch.arange(len(graphs.sizes))).graphs
