"""What is compared of drawn graphs: orbits, coefficients, kernels, and which graphs are the same."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from graphparts import NAMED, some, square, stack
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from dlbench_generation.graphs import communities
from dlbench_generation.graphs.alike import Seen, refine
from dlbench_generation.graphs.mmd import DISCREPANCIES, Discrepancy, discrepancies, discrepancy, distances
from dlbench_generation.graphs.statistics import (
    CLUSTERING_BINS,
    ORBITS,
    clustering_bins,
    describe,
    orbit_totals,
    triangle_counts,
)

# --- what is counted --------------------------------------------------------------------------------------


def orbits(graph: NDArray[np.bool_]) -> list[int]:
    stacked = graph[None]
    return orbit_totals(stacked, triangle_counts(stacked))[0].tolist()


@pytest.mark.parametrize(
    ("name", "small", "large"),
    [
        ("path", [6, 4, 2, 0], {4: 2, 5: 2}),
        ("star", [6, 6, 3, 0], {6: 3, 7: 1}),
        ("cycle", [8, 8, 4, 0], {8: 4}),
        ("paw", [8, 4, 2, 3], {9: 1, 10: 2, 11: 1}),
        ("diamond", [10, 4, 2, 6], {12: 2, 13: 2}),
        ("complete", [12, 0, 0, 12], {14: 4}),
    ],
)
def test_orbits_of_the_graphs_of_four_nodes(name: str, small: list[int], large: dict[int, int]) -> None:
    assert orbits(square(4, NAMED[name])) == small + [large.get(orbit, 0) for orbit in range(4, ORBITS)]


def test_orbits_of_a_large_star_and_a_large_ring() -> None:
    star, ring = (
        orbits(square(7, [(0, i) for i in range(1, 7)])),
        orbits(square(9, [(i, (i + 1) % 9) for i in range(9)])),
    )
    assert star == [12, 30, 15, 0, 0, 0, 60, 20, *[0] * 7]  # 15 pairs of leaves, 20 threes
    assert ring == [18, 18, 9, 0, 18, 18, *[0] * 9]  # 9 paths of each length


def brute_force_orbits(graph: NDArray[np.bool_]) -> list[int]:
    """By laying the six graphs over each four nodes in all ways."""
    places = {"path": [4, 5, 5, 4], "star": [7, 6, 6, 6], "cycle": [8] * 4, "paw": [10, 10, 11, 9],
              "diamond": [13, 12, 13, 12], "complete": [14] * 4}  # fmt: skip
    found = [0] * ORBITS
    for four in combinations(range(len(graph)), 4):
        for name, pairs in NAMED.items():
            shape = square(4, pairs)
            if any(np.array_equal(graph[np.ix_(order, order)], shape) for order in permutations(four)):
                for orbit in places[name]:
                    found[orbit] += 1
    for three in combinations(range(len(graph)), 3):
        edges = int(graph[np.ix_(three, three)].sum()) // 2
        if edges == 2:
            found[1], found[2] = found[1] + 2, found[2] + 1
        found[3] += 3 * (edges == 3)
    found[0] = int(graph.sum())
    return found


@pytest.mark.parametrize("chance", [0.3, 0.6])
def test_orbits_are_those_of_brute_force(chance: float) -> None:
    graphs = [*some(2, 8, chance), *some(1, 7, chance, seed=1)]
    together = stack(*graphs, room_for=11)
    found = orbit_totals(together.edges, triangle_counts(together.edges))
    assert found.tolist() == [brute_force_orbits(graph) for graph in graphs]


def test_clustering_is_that_of_brute_force() -> None:
    graphs = some(20, 9, 0.5)
    together = stack(*graphs, room_for=12)
    bins = clustering_bins(together.edges, triangle_counts(together.edges))
    for graph, found in zip(graphs, bins, strict=True):
        for node in range(9):
            near = np.flatnonzero(graph[node])
            joined = sum(int(graph[i, j]) for i, j in combinations(near, 2))
            pairs = len(near) * (len(near) - 1) // 2
            below = [k for k in range(CLUSTERING_BINS) if pairs and k * pairs <= 100 * joined]
            assert found[node] == (below[-1] if below else 0)
        assert found[9:].tolist() == [0, 0, 0]


def test_a_coefficient_on_a_border_counts_in_the_bin_above() -> None:
    """29 of 100 is 28.999999999999996 hundredths where it is divided."""
    assert int(0.29 * 100) == 28
    degrees = square(26, [(0, i) for i in range(1, 26)])  # 300 pairs of neighbours
    for place, (i, j) in enumerate(combinations(range(1, 26), 2)):
        degrees[i, j] = degrees[j, i] = place < 87
    assert clustering_bins(degrees[None], triangle_counts(degrees[None]))[0, 0] == 29


def test_descriptions_are_shares_of_the_nodes_that_there_are() -> None:
    triangle, lonely = square(3, [(0, 1), (1, 2), (2, 0)]), square(1, [])
    found = describe(stack(triangle, lonely, room_for=6))
    assert found.degrees.tolist() == [[0, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]]
    assert found.clustering[0].tolist() == [0.0] * 99 + [1.0]
    assert found.clustering[1].tolist() == [1.0] + [0.0] * 99
    assert found.orbits[:, :4].tolist() == [[2, 0, 0, 1], [0, 0, 0, 0]]


# --- kernels ----------------------------------------------------------------------------------------------


def test_the_distance_on_a_line_is_the_earth_movers() -> None:
    rows = np.random.RandomState(0).dirichlet(np.full(30, 0.3), 6)
    found = distances(rows[:3], rows[3:], "emd", 0.25)
    places = np.arange(30) * 0.25
    for i, j in np.ndindex(3, 3):
        assert found[i, j] == pytest.approx(wasserstein_distance(places, places, rows[i], rows[3 + j]), abs=1e-12)


def test_the_other_distances_have_their_closed_forms() -> None:
    first, second = np.array([[0.2, 0.8, 0.0]]), np.array([[0.5, 0.2, 0.3]])
    assert distances(first, second, "tv")[0, 0] == pytest.approx(0.6)
    assert distances(first, second, "gaussian")[0, 0] == pytest.approx(np.sqrt(0.09 + 0.36 + 0.09))


def test_discrepancy_of_two_points_is_known() -> None:
    near = discrepancy(np.array([[1.0, 0, 0]]), np.array([[0, 0, 1.0]]), Discrepancy("degrees", "emd", 2.0))
    assert near == pytest.approx(2 - 2 * np.exp(-(2**2) / (2 * 2.0**2)))


def test_a_set_has_no_distance_from_itself() -> None:
    train = describe(communities.draw("random", np.random.RandomState(0), 60))
    found = discrepancies(train, train)
    assert found.keys() == DISCREPANCIES.keys()
    assert max(found.values()) < 1e-12


def test_the_published_names_come_in_the_published_numbers() -> None:
    """Two graphs against one, by hand: coefficients of 0 and 1, which lie 0.99 apart in hundredths."""
    star, complete = square(4, NAMED["star"]), square(4, NAMED["complete"])
    found = discrepancies(describe(stack(star, complete)), describe(stack(star)))
    apart = np.exp(-(0.99**2) / 0.02)
    assert found["clustering_emd"] == pytest.approx((1 + apart) / 2 + 1 - (1 + apart), abs=1e-12)
    mean = np.array([1.5, 1.5, 0.75, 0, 0, 0, 0.75, 0.25, *[0] * 7]) - np.array([3, 0, 0, 3, *[0] * 10, 1])
    orbit = np.exp(-np.square(mean).sum() / (2 * 30**2))
    assert found["orbits"] == pytest.approx((1 - orbit) / 2, abs=1e-12)


# --- which are the same -----------------------------------------------------------------------------------


def test_renumbered_graphs_are_known_again() -> None:
    random = np.random.RandomState(3)
    graphs = some(25, 12, 0.4)
    seen = Seen()
    assert seen.add(stack(*graphs, room_for=15)) == 25
    turned = [graph[np.ix_(order, order)] for graph in graphs for order in [random.permutation(12)]]
    assert seen.knows(stack(*turned)).all()
    assert seen.add(stack(*turned)) == 0
    for graph in turned:
        i, j = random.choice(12, 2, replace=False)
        graph[i, j] = graph[j, i] = not graph[i, j]
    assert not seen.knows(stack(*turned)).any()


def test_graphs_that_colours_can_not_tell_apart_are_told_apart() -> None:
    """Two triangles and a ring of six; the prism and the complete bipartite graph: all regular."""
    triangles = square(6, [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)])
    ring = square(6, [(i, (i + 1) % 6) for i in range(6)])
    prism = triangles | square(6, [(0, 3), (1, 4), (2, 5)])
    bipartite = square(6, [(i, j) for i in range(3) for j in range(3, 6)])
    for first, second in ((triangles, ring), (prism, bipartite)):
        colours = refine(stack(first, second))
        assert len(np.unique(colours)) == 1
        seen = Seen()
        seen.add(stack(first))
        assert seen.knows(stack(second, first)).tolist() == [False, True]


def test_a_graph_of_other_size_is_another() -> None:
    seen = Seen()
    seen.add(stack(square(3, [])))
    assert seen.knows(stack(square(4, []), square(3, []))).tolist() == [False, True]
