"""PATTERN and CLUSTER: label the nodes of graphs from stochastic block models.

Dwivedi, Joshi, Luu, Laurent, Bengio & Bresson 2023, "Benchmarking Graph Neural Networks". The published sets were drawn
without a seed: these come from the same distribution and are other graphs. Edges carry no feature (the published ones
carry a constant).

PATTERN: which nodes belong to a planted graph? A base graph has 5 communities. A pattern, linked inside like a
community, is linked to every base node more densely (0.5) than communities are to each other (0.35), so its nodes have
the larger expected degree: 0.5 (n - 1) in a graph of n nodes against less than that for any other. Hence a threshold
on degree / n alone does well, and so does every network that sums over neighbours; means and maxima over neighbours
hide the degree. 100 patterns are shared by the splits; the base graphs are new each time.

CLUSTER: which of 6 communities is each node in? One node of each shows it, all others show nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dlbench import Graph, NodeClasses, Signature
from dlbench.data import Data
from dlbench.data.graphs import GraphSet
from dlbench.data.kept import Arrays, kept

from ..many import ManyGraphs
from ..positions import add_positions
from ..scores import balanced_cross_entropy, batch_balanced_accuracy
from .splits import in_order

VERSION = 1  # raise it when the same parameters give other graphs
SIZES = (5, 35)  # nodes of a community or a pattern: the first of these or more, fewer than the second
Drawn = tuple[NDArray[np.bool_], NDArray[np.uint8], NDArray[np.uint8]]  # adjacency (n, n), signal (n,), label (n,)


@dataclass(frozen=True, kw_only=True)
class PatternSet:
    """How PATTERN is drawn. Each pattern is planted in `graphs` base graphs of train, val and test."""

    name: str = "sbm_pattern"
    patterns: int = 100
    graphs: tuple[int, int, int] = (100, 20, 20)
    communities: int = 5
    p_intra: float = 0.5
    p_inter: float = 0.35
    p_pattern: float = 0.5  # inside a pattern
    p_planted: float = 0.5  # between a pattern and its base graph
    num_signals: int = 3
    num_classes: int = 2
    seed: int = 41

    @property
    def sizes(self) -> tuple[int, ...]:
        """Graphs of train, val and test."""
        return tuple(self.patterns * count for count in self.graphs)

    def draw(self) -> list[Drawn]:
        """All graphs, split by split."""
        random = np.random.RandomState(self.seed)  # its streams are frozen, those of numpy's Generator are not
        patterns = [self._pattern(random) for _ in range(self.patterns)]
        return [self._planted(random, *p) for count in self.graphs for p in patterns for _ in range(count)]

    def _pattern(self, random: np.random.RandomState) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        size = random.randint(*SIZES)
        links = link(random, np.full((size, size), self.p_pattern))
        return links, random.randint(self.num_signals, size=size)

    def _planted(self, random: np.random.RandomState, pattern: NDArray[np.bool_], signal: NDArray[np.int64]) -> Drawn:
        community = draw_communities(random, self.communities)
        base = link(random, np.where(community[:, None] == community[None], self.p_intra, self.p_inter))
        across = random.random_sample((len(base), len(pattern))) < self.p_planted
        links = np.block([[base, across], [across.T, pattern]])
        signals = np.concatenate([random.randint(self.num_signals, size=len(base)), signal])
        return shuffle(random, links, signals, np.arange(len(links)) >= len(base))


@dataclass(frozen=True, kw_only=True)
class ClusterSet:
    """How CLUSTER is drawn."""

    name: str = "sbm_cluster"
    sizes: tuple[int, int, int] = (10_000, 1_000, 1_000)
    communities: int = 6
    p_intra: float = 0.55
    p_inter: float = 0.25
    seed: int = 41

    @property
    def num_classes(self) -> int:
        return self.communities

    @property
    def num_signals(self) -> int:
        """Nothing, or one of the communities."""
        return self.communities + 1

    def draw(self) -> list[Drawn]:
        """All graphs, split by split."""
        random = np.random.RandomState(self.seed)
        return [self._graph(random) for _ in range(sum(self.sizes))]

    def _graph(self, random: np.random.RandomState) -> Drawn:
        community = draw_communities(random, self.communities)
        links = link(random, np.where(community[:, None] == community[None], self.p_intra, self.p_inter))
        counts = np.bincount(community)
        shown = counts.cumsum() - counts + (random.random_sample(self.communities) * counts).astype(np.int64)
        signals = np.zeros_like(community)
        signals[shown] = np.arange(1, self.num_signals)
        return shuffle(random, links, signals, community)


PATTERN, CLUSTER = PatternSet(), ClusterSet()
PATTERN_SMALL = PatternSet(name="sbm_pattern_small", patterns=20, graphs=(20, 5, 10), seed=42)
CLUSTER_SMALL = ClusterSet(name="sbm_cluster_small", sizes=(1_000, 200, 400), seed=42)


def draw_communities(random: np.random.RandomState, count: int) -> NDArray[np.int64]:
    """The community of each node (n,), ascending."""
    return np.repeat(np.arange(count), random.randint(*SIZES, size=count))


def link(random: np.random.RandomState, chance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """A symmetric adjacency matrix without loops, whose edges are there with these chances (n, n)."""
    upper = np.triu(random.random_sample(chance.shape) < chance, k=1)
    return upper | upper.T


def shuffle(
    random: np.random.RandomState, links: NDArray[np.bool_], signals: NDArray[Any], labels: NDArray[Any]
) -> Drawn:
    """The same graph with its nodes in random order."""
    order = random.permutation(len(links))
    return links[np.ix_(order, order)], signals[order].astype(np.uint8), labels[order].astype(np.uint8)


def generate(form: PatternSet | ClusterSet) -> Arrays:
    """All graphs as flat arrays: `node_counts`, `edge_counts` (G,); `signals`, `labels` (N,); `edges` (2, E), sorted by
    graph, target and source."""
    drawn = form.draw()
    ends = []
    for index, (links, signals, labels) in enumerate(drawn):
        target, source = np.nonzero(links)
        ends.append(np.stack([source, target]).astype(np.int16))
        drawn[index] = (links[:0], signals, labels)  # the matrices of a whole set are large
    return {
        "node_counts": np.array([len(labels) for _, _, labels in drawn]),
        "edge_counts": np.array([part.shape[1] for part in ends]),
        "signals": np.concatenate([signals for _, signals, _ in drawn]),
        "labels": np.concatenate([labels for _, _, labels in drawn]),
        "edges": np.concatenate(ends, axis=1),
    }


def make_task(data: Data, form: PatternSet | ClusterSet, *, pe: int = 0) -> ManyGraphs:
    """The task with `pe` columns of Laplacian positional encodings. Raises UsageError on a bad `pe`."""
    key = {**asdict(form), "sizes": SIZES, "splits": form.sizes, "version": VERSION}
    found = kept(data.cache, f"graph/{form.name}", key, lambda: generate(form))
    nodes = np.eye(form.num_signals, dtype=np.float32)[found["signals"]]
    nodes = add_positions(nodes, found["node_counts"], found["edge_counts"], found["edges"], pe, data.cache)
    graphs = GraphSet(
        node_counts=found["node_counts"], nodes=nodes, edge_counts=found["edge_counts"], edges=found["edges"],
        device=data.device,
    )  # fmt: skip
    return ManyGraphs(
        graphs=graphs,
        targets=torch.from_numpy(found["labels"].astype(np.int64)).to(data.device),
        level="node",
        signature=Signature(
            input=Graph(node_features=nodes.shape[1], positions=pe),
            output=NodeClasses(num_classes=form.num_classes),
        ),
        splits=in_order(form.sizes, data.device),
        metric="accuracy",
        score=batch_balanced_accuracy,
        loss_of=balanced_cross_entropy,
    )
