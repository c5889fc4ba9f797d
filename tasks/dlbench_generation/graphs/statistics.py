"""What is compared of graphs: degrees, clustering coefficients, and how often a node stands where in small subgraphs.

A graph is a square of a stack (G, N, N) of symmetric booleans whose nodes come first; `sizes` (G,) says how many.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

CLUSTERING_BINS = 100
ORBITS = 15
"""Places in connected graphs of two to four nodes, numbered as in Przulj 2007, "Biological network comparison using
graphlet degree distribution"."""

_BY_DEGREES = {
    (1, 1, 2, 2): {1: 4, 2: 5},  # a path
    (1, 1, 1, 3): {1: 6, 3: 7},  # a star
    (2, 2, 2, 2): {2: 8},  # a ring
    (1, 2, 2, 3): {1: 9, 2: 10, 3: 11},  # a triangle with a tail
    (2, 2, 3, 3): {2: 12, 3: 13},  # a ring with a chord
    (3, 3, 3, 3): {3: 14},  # all joined
}
"""The connected graphs of four nodes by their degrees, and the orbit of the nodes of each degree."""


class Stack(NamedTuple):
    """`edges` (G, N, N) bool, symmetric, without loops; `sizes` (G,) int64."""

    edges: NDArray[np.bool_]
    sizes: NDArray[np.int64]

    def take(self, chosen: Any) -> Stack:
        """Some of the graphs."""
        return Stack(self.edges[chosen], self.sizes[chosen])


class Described(NamedTuple):
    """Of each graph: `degrees` (G, N) and `clustering` (G, 100), the share of its nodes with 0 .. N - 1 neighbours and
    with a coefficient in each hundredth; `orbits` (G, 15), how often a node stands in each, on average over its nodes.
    """

    degrees: NDArray[np.float64]
    clustering: NDArray[np.float64]
    orbits: NDArray[np.float64]


def describe(graphs: Stack) -> Described:
    """Graphs have at least one node."""
    triangles = triangle_counts(graphs.edges)
    return Described(
        degrees=_shares(graphs.edges.sum(axis=2), graphs, graphs.edges.shape[1]),
        clustering=_shares(clustering_bins(graphs.edges, triangles), graphs, CLUSTERING_BINS),
        orbits=orbit_totals(graphs.edges, triangles) / graphs.sizes[:, None],
    )


def triangle_counts(edges: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many triangles each node is part of, (G, N)."""
    numbers = edges.astype(np.float32)  # whole numbers far below where float32 rounds, and fast
    return ((numbers @ numbers) * numbers).sum(axis=2).round().astype(np.int64) // 2


def clustering_bins(edges: NDArray[np.bool_], triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which hundredth of 0 to 1 holds each node's clustering coefficient, (G, N): the share of pairs of its neighbours
    that are joined, 0 for fewer than two neighbours. In whole numbers, as quotients fall to either side of a border."""
    degrees = edges.sum(axis=2)
    pairs = degrees * (degrees - 1) // 2
    bins = CLUSTERING_BINS * triangles // np.maximum(pairs, 1)
    return np.minimum(bins, CLUSTERING_BINS - 1)


def orbit_totals(edges: NDArray[np.bool_], triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many nodes stand in each orbit, over all subgraphs of a graph, (G, 15)."""
    degrees = edges.sum(axis=2)
    corners = triangles.sum(axis=1)  # a triangle has three
    open_pairs = (degrees * (degrees - 1) // 2).sum(axis=1) - corners
    small = np.stack([degrees.sum(axis=1), 2 * open_pairs, open_pairs, corners], axis=1)
    return np.concatenate([small, subgraph_counts(edges) @ _orbits_of_codes()[:, 4:]], axis=1)


def subgraph_counts(edges: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How often four nodes, in ascending order, are joined in each of the 64 ways, (G, 64)."""
    count, size = edges.shape[:2]
    if size < 4:
        return np.zeros((count, 64), np.int64)
    cells = _cells_of_fours(size)
    flat = edges.reshape(count, size * size).astype(np.uint8)
    codes = np.zeros((count, cells.shape[1]), np.int64)
    for place, cell in enumerate(cells):
        codes += flat[:, cell].astype(np.int64) << place
    codes += 64 * np.arange(count)[:, None]
    return np.bincount(codes.ravel(), minlength=64 * count).reshape(count, 64)


@cache
def _cells_of_fours(size: int) -> NDArray[np.int64]:
    """Where the six pairs of each four of `size` nodes lie in a flat matrix, (6, fours)."""
    fours = np.array(list(combinations(range(size), 4))).T
    return np.stack([fours[i] * size + fours[j] for i, j in combinations(range(4), 2)])


@cache
def _orbits_of_codes() -> NDArray[np.int64]:
    """How many of four nodes stand in each orbit, for each of the 64 ways to join them, (64, 15)."""
    table = np.zeros((64, ORBITS), np.int64)
    pairs = list(combinations(range(4), 2))
    for code in range(64):
        degrees = np.zeros(4, np.int64)
        for place, pair in enumerate(pairs):
            degrees[list(pair)] += code >> place & 1
        places = _BY_DEGREES.get(tuple(sorted(degrees.tolist())), {})
        for degree in degrees.tolist() if places else []:
            table[code, places[degree]] += 1
    return table


def _shares(values: NDArray[np.int64], graphs: Stack, bins: int) -> NDArray[np.float64]:
    """Histograms of the values (G, N) of the nodes that there are, each of sum 1."""
    count = len(graphs.sizes)
    there = np.arange(values.shape[1]) < graphs.sizes[:, None]
    places = (values + bins * np.arange(count)[:, None])[there]
    return np.bincount(places, minlength=bins * count).reshape(count, bins) / graphs.sizes[:, None]
