"""`sbm_small`: find the communities of a stochastic block model.

Holland, Laskey & Leinhardt 1983, "Stochastic blockmodels: First steps".
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from dlbench.data.graphs import single_graph
from dlbench.data.splits import stratified_split

from ..single import SingleGraph

SEED = 30
COMMUNITIES = (180, 160, 140, 120)  # unequal, so that one class is the most frequent
P_INTRA, P_INTER = 0.05, 0.01  # of an edge between two nodes of one community, of two
FEATURES, SIGNAL = 16, 0.3  # standard normal noise around a community's centre, whose coordinates have this sd
SPLITS = {"train": 80, "val": 160, "test": 360}


def generate(seed: int = SEED) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Node features (N, F), edges (2, E) in both directions, communities (N,)."""
    random = np.random.RandomState(seed)  # its streams are frozen, those of numpy's Generator are not
    labels = random.permutation(np.repeat(np.arange(len(COMMUNITIES)), COMMUNITIES))
    chance = np.where(labels[:, None] == labels[None], P_INTRA, P_INTER)
    linked = np.triu(random.random_sample(chance.shape) < chance, k=1)
    edges = np.stack(np.nonzero(linked | linked.T))
    centres = SIGNAL * random.standard_normal((len(COMMUNITIES), FEATURES))
    features = centres[labels] + random.standard_normal((len(labels), FEATURES))
    return features.astype(np.float32), edges.astype(np.int64), labels.astype(np.int64)


def make_task(*, sampler: str, hops: int, fanout: int | None, device: str = "cpu") -> SingleGraph:
    """The task; for the options see `SingleGraph`."""
    features, edges, labels = (torch.from_numpy(part).to(device) for part in generate())
    found = stratified_split(labels.cpu().numpy(), tuple(SPLITS.values()), seed=SEED)
    return SingleGraph(
        graph=single_graph(features, edges),
        labels=labels,
        splits={name: torch.from_numpy(index).to(device) for name, index in zip(SPLITS, found, strict=True)},
        num_classes=len(COMMUNITIES),
        sampler=sampler,
        hops=hops,
        fanout=fanout,
    )
