"""TSP: which edges of a neighbourhood graph lie on the shortest round trip?

Dwivedi, Joshi, Luu, Laurent, Bengio & Bresson 2023, "Benchmarking Graph Neural Networks". Points are uniform in the
unit square; an edge leads from each point to each of its 25 nearest ones. Node features: the coordinates; edge feature:
the length. Differs from the published set: other points, and the labels are trips that a local search found (see
`tours`) where the published ones come from an exact solver. On 13 instances of 50 and 80 points the two were
equally short. F1 is that of the whole split; the published one is the mean over its batches.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from dlbench import EdgeClasses, Graph, Signature
from dlbench.data import Data
from dlbench.data.graphs import GraphSet
from dlbench.data.kept import Arrays, kept

from ..many import ManyGraphs
from ..scores import f1
from . import tours
from .splits import in_order

VERSION = 1  # raise it when the same parameters give other instances or labels
NEIGHBOURS = 25


@dataclass(frozen=True, kw_only=True)
class TourSet:
    """How instances are drawn: `cities` is the fewest and the most of one."""

    name: str = "tsp"
    sizes: tuple[int, int, int] = (10_000, 1_000, 1_000)
    cities: tuple[int, int] = (50, 500)
    seed: int = 1234


TSP = TourSet()
TSP_SMALL = TourSet(name="tsp_small", sizes=(300, 60, 120), cities=(50, 100), seed=1235)


def draw(form: TourSet) -> list[NDArray[np.float64]]:
    """The points of each instance, (n, 2)."""
    random = np.random.RandomState(form.seed)  # its streams are frozen, those of numpy's Generator are not
    fewest, most = form.cities
    return [random.random_sample((random.randint(fewest, most + 1), 2)) for _ in range(sum(form.sizes))]


def solve(form: TourSet) -> Arrays:
    """`counts` (G,), `points` (N, 2) and `tours` (N,): for each instance, the order of its points."""
    instances = draw(form)
    found = tours.best_tours(instances)
    return {
        "counts": np.array([len(points) for points in instances]),
        "points": np.concatenate(instances),
        "tours": np.concatenate(found),
    }


def neighbour_graph(
    points: NDArray[np.float64], tour: NDArray[np.int16]
) -> tuple[NDArray[np.int16], NDArray[np.float32], NDArray[np.uint8]]:
    """Edges (2, E) from each point to its nearest ones, sorted by target and source; their lengths (E,); whether they
    lie on the tour (E,), in either direction."""
    n = len(points)
    distances = tours.distances_between(points)
    np.fill_diagonal(distances, np.inf)
    nearest = min(NEIGHBOURS, n - 1)
    found = np.argpartition(distances, nearest - 1, axis=1)[:, :nearest]
    chosen = np.zeros((n, n), dtype=bool)  # (target, source)
    chosen[found, np.arange(n)[:, None]] = True
    follows = np.empty(n, dtype=np.int64)
    follows[tour] = np.roll(tour, -1)
    target, source = np.nonzero(chosen)
    label = (follows[source] == target) | (follows[target] == source)
    lengths = distances[source, target]
    return np.stack([source, target]).astype(np.int16), lengths.astype(np.float32), label.astype(np.uint8)


def build(solved: Arrays) -> Arrays:
    """The graphs of solved instances as flat arrays."""
    starts = solved["counts"].cumsum()[:-1]
    pairs = zip(np.split(solved["points"], starts), np.split(solved["tours"], starts), strict=True)
    edges, lengths, labels = zip(*(neighbour_graph(points, tour) for points, tour in pairs), strict=True)
    return {
        "edge_counts": np.array([part.shape[1] for part in edges]),
        "edges": np.concatenate(edges, axis=1),
        "lengths": np.concatenate(lengths),
        "labels": np.concatenate(labels),
    }


def make_task(data: Data, form: TourSet, *, distances: bool = True) -> ManyGraphs:
    """The task; without `distances`, edges have no feature. Raises NoData where fast_tsp is missing and the labels
    aren't in the cache."""
    key: dict[str, Any] = {**asdict(form), "search": [tours.SCALE, tours.SEARCH], "version": VERSION}
    solved = kept(data.cache, f"graph/{form.name}", key, lambda: solve(form))
    built = build(solved)
    graphs = GraphSet(
        node_counts=solved["counts"],
        nodes=solved["points"].astype(np.float32),
        edge_counts=built["edge_counts"],
        edges=built["edges"],
        edge_features=built["lengths"][:, None] if distances else None,
        device=data.device,
    )
    return ManyGraphs(
        graphs=graphs,
        targets=torch.from_numpy(built["labels"])[graphs.edge_order].to(torch.int64).to(data.device),
        level="edge",
        signature=Signature(
            input=Graph(node_features=2, edge_features=int(distances)), output=EdgeClasses(num_classes=2)
        ),
        splits=in_order(form.sizes, data.device),
        metric="f1",
        score=f1,
        loss_of=F.cross_entropy,
    )
