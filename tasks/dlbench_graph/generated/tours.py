"""Short round trips by the package `fast_tsp` (MIT), a local search.

It runs against a clock, so one answer may differ from the next, and restarts may share a trip that isn't the shortest.
`best_tour` therefore asks again and again, numbers the points anew each time, lets it search among two kinds of
candidates, and for longer each time, until both kinds have met the shortest length three times. Such a trip is, as a
rule, the optimum; nothing proves it. Solved anew, at most a few instances in a thousand get another trip, about as long
within the rounding of distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlbench import NoData, usable_cores

SCALE = 46_000  # the solver takes integers up to 65,535: the diagonal of the unit square becomes 65,054
CANDIDATES = ("nearest", "alpha")
# How long to search at first and how much longer in each next round; how often both kinds must meet the shortest
# length; how many rounds at most.
SEARCH = {"seconds_per_city": 2e-4, "longer": 1.4, "agree": 3, "rounds": 10}


def best_tours(cities: Sequence[NDArray[np.float64]]) -> list[NDArray[np.int16]]:
    """`best_tour` for each instance, on all cores: the solver runs outside Python's lock. Raises NoData without it."""
    solver = _solver()
    with ThreadPoolExecutor(max_workers=usable_cores()) as threads:
        return list(threads.map(lambda points: best_tour(points, solver), cities))


def best_tour(points: NDArray[np.float64], solver: Any = None) -> NDArray[np.int16]:
    """The order in which to visit points (n, 2) of the unit square, (n,): from point 0 to its neighbour with the
    lower number."""
    solver = solver or _solver()
    distances = distances_between(points)
    rounded = np.rint(distances * SCALE).astype(np.uint16)
    random = np.random.RandomState(len(points))
    found: dict[str, list[int]] = {kind: [] for kind in CANDIDATES}
    answers = []
    for turn in range(int(SEARCH["rounds"])):
        for kind in CANDIDATES:
            order = random.permutation(len(points))
            seconds = SEARCH["seconds_per_city"] * len(points) * SEARCH["longer"] ** turn
            tour = order[solver.find_tour(rounded[np.ix_(order, order)], seconds, 1, kind)]
            found[kind].append(int(length(tour, rounded.astype(np.int64))))
            answers.append(canonical(tour))
        shortest = min(min(lengths) for lengths in found.values())
        if all(lengths.count(shortest) >= SEARCH["agree"] for lengths in found.values()):
            break
    return min(answers, key=lambda tour: length(tour, distances)).astype(np.int16)


def canonical(tour: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same round trip from point 0, in the direction whose next point has the lower number."""
    tour = np.roll(tour, -int(np.argmin(tour)))
    return tour if len(tour) < 3 or tour[1] < tour[-1] else np.roll(tour[::-1], 1)


def length(tour: NDArray[np.int64], distances: NDArray[Any]) -> float:
    """Of the whole round trip."""
    return float(distances[tour, np.roll(tour, -1)].sum())


def distances_between(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean, (n, n)."""
    return np.asarray(np.sqrt(np.square(points[:, None] - points[None]).sum(axis=2)))


def _solver() -> Any:
    try:
        import fast_tsp
    except ImportError as error:
        raise NoData(f"TSP needs the package fast_tsp for its labels: pip install fast-tsp ({error})") from error
    return fast_tsp
