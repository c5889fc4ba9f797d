"""Graphs drawn anew: `community_small` of two communities, `ego_small` of citations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Block, Graph, Metric, ProfileProtocol, Sample, Suite, TaskSpec
from dlbench.data import Data

APART = ("degree_emd", "degree_tv", "degree_gaussian", "clustering_tv", "clustering_gaussian", "orbits", "orbits_tv")
CLUSTERING = Metric(name="clustering_emd", unit="MMD", higher_is_better=False)
SHARES = (
    Metric(name="known", higher_is_better=False),
    Metric(name="known_floor", higher_is_better=False),
    Metric(name="distinct"),
    Metric(name="valid"),
)
METRICS = (
    *(Metric(name=name, unit="MMD", higher_is_better=False) for name in APART),
    *(Metric(name=f"{name}_floor", unit="MMD", higher_is_better=False) for name in (CLUSTERING.name, *APART)),
    *SHARES,
)
RECIPE = {
    "optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 32, "budget.steps": 600, "evaluate_every": 100,
}  # fmt: skip
HOW = (
    "100 samples are judged by squared maximum mean discrepancies from the graphs held out, of clustering coefficients "
    "by the Gaussian of the earth mover's distance; the figures of training graphs stand beside as ..._floor"
)


def load_community_small(data: Data, *, communities: str = "published") -> Any:
    """`communities`: `published`, of which there are five, or `random`, each drawn anew."""
    from .load import load_communities

    return load_communities(kind=communities, device=data.device)


def load_ego_small(data: Data) -> Any:
    from .load import load_egos

    return load_egos(data)


def specs() -> Iterable[TaskSpec]:
    from dlbench_graph.citation.files import CITESEER

    common: dict[str, Any] = {
        "input_kind": Graph, "output_kind": Sample, "unit": "graphs", "metric": CLUSTERING, "metrics": METRICS,
        "floor": None, "bound": 0.0, "recipe": RECIPE,
    }  # fmt: skip
    yield TaskSpec(
        name="community_small",
        load=load_community_small,
        description=(
            "100 graphs of two communities and 12 to 20 nodes (60 / 20 / 20). The published recipe has five pairs of "
            "communities in all, so that about half of the graphs held out stand in training; communities=random draws "
            f"each anew. {HOW}."
        ),
        **common,
    )
    yield TaskSpec(
        name="ego_small",
        load=load_ego_small,
        data=CITESEER,
        preload=("scipy.sparse.csgraph",),
        description=(
            "200 papers of CiteSeer with those one citation away, 4 to 18 nodes (120 / 40 / 40). They are 60 different "
            "graphs, and three in four of those held out stand in training but for the numbers of their nodes: see "
            f"known_floor. {HOW}."
        ),
        **common,
    )


def suites() -> Iterable[Suite]:
    yield Suite(
        name="graph_gen",
        blocks=(
            Block(
                models=("erdos_renyi", "graphvae", "graphrnn", "graphrnn[simple=true]"),
                tasks=("community_small[communities=random]", "community_small", "ego_small"),
            ),
        ),
        seeds=3,
        profile=ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.2),
        description="Small graphs drawn anew: communities and citations, in CPU minutes",
    )
