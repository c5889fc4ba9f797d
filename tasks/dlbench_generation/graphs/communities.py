"""`community_small`: graphs of two communities with a bridge or two.

You et al. 2018, "GraphRNN", with the numbers of the code of Niu et al. 2020 (github.com/ermongroup/GraphScoreMatching):
n of 12 to 20, two communities of n // 2 nodes in which each pair is joined with chance 0.7, and on average 0.05 edges a
node between them, at least one.

Both codes draw the first community with seed 0 and the second with seed 1, whatever graph it is for. So there are five
pairs of communities in all, one for each size, and graphs differ in their bridges only. `published` does as they do;
`random` draws every community anew.
"""

from __future__ import annotations

import random as plain
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .statistics import Stack

SEED = 1812
COUNT, SMALLEST, LARGEST = 100, 12, 20
INSIDE, BETWEEN = 0.7, 0.05
COMMUNITIES = ("published", "random")


def draw(communities: str, random: np.random.RandomState, count: int = COUNT) -> Stack:
    """`communities`: `published` or `random`."""
    edges, sizes = np.zeros((count, LARGEST, LARGEST), dtype=bool), np.zeros(count, dtype=np.int64)
    for index in range(count):
        half = random.randint(SMALLEST, LARGEST + 1) // 2
        size = 2 * half
        graph = np.zeros((size, size), dtype=bool)
        for which in range(2):
            part = slice(which * half, (which + 1) * half)
            graph[part, part] = fixed(half, which) if communities == "published" else community(half, random)
        bridge(graph, BETWEEN * size / half**2, random)
        edges[index, :size, :size], sizes[index] = graph, size
    return Stack(edges, sizes)


def fixed(size: int, seed: int) -> NDArray[np.bool_]:
    """The community of this size and seed, as networkx's `gnp_random_graph` draws it."""
    source = plain.Random(seed)
    found = np.zeros((size, size), dtype=bool)
    for first, second in combinations(range(size), 2):
        found[first, second] = found[second, first] = source.random() < INSIDE
    return found


def community(size: int, random: np.random.RandomState) -> NDArray[np.bool_]:
    """A new one."""
    upper = np.triu(random.random_sample((size, size)) < INSIDE, 1)
    return upper | upper.T


def bridge(graph: NDArray[np.bool_], chance: float, random: np.random.RandomState) -> None:
    """Join nodes of different components with this chance, and the first nodes of two components where that joins none.
    Changes `graph` in place; it is connected then."""
    parts = components(graph)
    for first, second in combinations(parts, 2):
        joined = random.random_sample((len(first), len(second))) < chance
        joined[0, 0] |= not joined.any()
        for i, j in np.argwhere(joined):
            graph[first[i], second[j]] = graph[second[j], first[i]] = True


def components(graph: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """The nodes of each connected component, ascending, by their first nodes."""
    left, found = np.ones(len(graph), dtype=bool), []
    while left.any():
        reached = np.zeros(len(graph), dtype=bool)
        reached[left.argmax()] = True
        while (more := reached | graph[reached].any(axis=0)).sum() > reached.sum():
            reached = more
        found.append(np.flatnonzero(reached))
        left &= ~reached
    return found
