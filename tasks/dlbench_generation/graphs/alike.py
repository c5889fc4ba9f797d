"""Which graphs are the same up to the numbers of their nodes.

Colours of nodes are refined as by Weisfeiler & Leman 1968, "The reduction of a graph to canonical form": graphs whose
colours differ are different. Those whose colours agree are compared by a search that only tries nodes of one colour.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .statistics import Stack

ROUNDS = 8
Colours = NDArray[np.uint64]


class One(NamedTuple):
    """A graph: `edges` (n, n) bool and the colours of its nodes (n,)."""

    edges: NDArray[np.bool_]
    colours: Colours


class Seen:
    """A set of graphs that knows a graph again."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, list[One]] = {}

    def add(self, graphs: Stack) -> int:
        """Put in those that aren't there yet; returns how many these were."""
        new = 0
        for key, one in keyed(graphs):
            group = self._by_key.setdefault(key, [])
            if not any(same(one, other) for other in group):
                group.append(one)
                new += 1
        return new

    def knows(self, graphs: Stack) -> NDArray[np.bool_]:
        """Which of the graphs are there, (G,)."""
        return np.array(
            [any(same(one, other) for other in self._by_key.get(key, ())) for key, one in keyed(graphs)], dtype=bool
        )


def keyed(graphs: Stack) -> list[tuple[bytes, One]]:
    """Each graph with a key that it shares with all that are the same."""
    found = []
    for edges, colours, size in zip(graphs.edges, refine(graphs), graphs.sizes, strict=True):
        own = colours[:size]
        found.append((np.sort(own).tobytes(), One(edges[:size, :size], own)))
    return found


def refine(graphs: Stack) -> Colours:
    """A colour for each node, (G, N), that depends on how its surroundings are joined and not on numbers."""
    edges = graphs.edges.astype(np.uint64)
    colours = edges.sum(axis=2)
    for _ in range(ROUNDS):
        around = (edges @ _mixed(colours)[:, :, None])[:, :, 0]  # sums wrap around: any order gives the same
        colours = _mixed(colours * np.uint64(3) + around)
    return colours


def same(first: One, second: One) -> bool:
    """Whether two graphs are the same up to the numbers of their nodes."""
    if not np.array_equal(np.sort(first.colours), np.sort(second.colours)):
        return False
    order = _search_order(first)
    edges, colours = first.edges[np.ix_(order, order)], first.colours[order]
    image: list[int] = []

    def extend() -> bool:
        place = len(image)
        if place == len(order):
            return True
        for node in np.flatnonzero(second.colours == colours[place]).tolist():
            if node not in image and np.array_equal(edges[place, :place], second.edges[node, image]):
                image.append(node)
                if extend():
                    return True
                image.pop()
        return False

    return extend()


def _search_order(graph: One) -> list[int]:
    """Rare colours first, and then nodes with neighbours among those that came before: fewer tries."""
    _, which, counts = np.unique(graph.colours, return_inverse=True, return_counts=True)
    rare = counts[which].astype(np.int64)
    order: list[int] = []
    left = np.ones(len(rare), dtype=bool)
    for _ in range(len(rare)):
        joined = graph.edges[:, order].sum(axis=1) if order else np.zeros(len(rare), np.int64)
        merit = np.where(left, joined * (len(rare) + 1) - rare, -len(rare) - 2)
        order.append(int(merit.argmax()))
        left[order[-1]] = False
    return order


def _mixed(values: Colours) -> Colours:
    """The finalizer of SplitMix64 (Steele, Lea & Flood 2014): neighbouring numbers become far ones."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
