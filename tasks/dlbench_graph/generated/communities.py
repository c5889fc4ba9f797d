"""`sbm_small`: find the communities of a stochastic block model.

Holland, Laskey & Leinhardt 1983, "Stochastic blockmodels: First steps".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dlbench import Batch, Graph, GraphBatch, NodeClasses, Signature
from dlbench.data.batches import GatheredBatches
from dlbench.data.splits import stratified_split
from dlbench.errors import UsageError

from .neighbours import neighbourhood, thin

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


class SBMTask:
    """One graph; a split is a set of its nodes. A batch is the whole graph with the split's nodes in the mask, or, with
    `sampler="neighbour"`, some of these nodes (the mask) with what lies around them."""

    def __init__(
        self,
        *,
        graph: GraphBatch,
        labels: Tensor,
        splits: Mapping[str, Tensor],
        sampler: str = "full",
        hops: int = 2,
        fanout: int | None = None,
    ) -> None:
        self.graph, self.labels, self.splits = graph, labels, splits
        self.sampler, self.hops, self.fanout = sampler, hops, fanout
        self.num_nodes, features = graph.nodes.shape
        self.signature = Signature(
            input=Graph(node_features=features), output=NodeClasses(num_classes=int(labels.max()) + 1)
        )

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
        """`batch_size` counts seed nodes and means nothing for the whole graph."""
        seeds, device = self.splits[split], self.labels.device
        if self.sampler == "full":
            mask = torch.zeros(self.num_nodes, dtype=torch.bool, device=device)
            mask[seeds] = True
            return [Batch(inputs=self.graph, targets=self.labels, mask=mask, size=len(seeds))]
        return GatheredBatches(
            len(seeds), batch_size, generator, lambda index: self._around(seeds[index], generator), str(device)
        )

    def _around(self, seeds: Tensor, generator: torch.Generator | None) -> Batch:
        """A batch of seed nodes; without a generator, as for judging, with all their neighbours."""
        edges = self.graph.edges
        if self.fanout is not None and generator is not None:
            edges = thin(edges, self.num_nodes, self.fanout, generator)
        nodes, edges = neighbourhood(edges, self.num_nodes, seeds, self.hops)
        inputs = GraphBatch(self.graph.nodes[nodes], edges, None, torch.zeros_like(nodes), 1)
        return Batch(inputs=inputs, targets=self.labels[nodes], mask=torch.isin(nodes, seeds), size=len(seeds))

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        assert batch.targets is not None
        assert batch.mask is not None
        losses = F.cross_entropy(outputs, batch.targets, reduction="none")
        return (losses * batch.mask).sum() / batch.mask.sum()

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        right, count = torch.zeros((), dtype=torch.int64, device=self.labels.device), 0
        batches: Iterable[Batch] = self.batches(split, 128, None)
        for batch in batches:
            assert batch.mask is not None
            right += ((learner.predict(batch).argmax(dim=1) == batch.targets) & batch.mask).sum()
            count += batch.size
        return {"accuracy": right.item() / count}


def make_task(*, sampler: str, hops: int, fanout: int | None, device: str = "cpu") -> SBMTask:
    """Raises UsageError on an unknown sampler or a number below 1."""
    if sampler not in ("full", "neighbour"):
        raise UsageError(f"option 'sampler' is 'full' or 'neighbour', not {sampler!r}")
    if hops < 1 or (fanout is not None and fanout < 1):
        raise UsageError("options 'hops' and 'fanout' need a number of at least 1")
    features, edges, labels = (torch.from_numpy(part).to(device) for part in generate())
    graph_ids = torch.zeros(len(features), dtype=torch.int64, device=device)
    graph = GraphBatch(features, edges, None, graph_ids, num_graphs=1)
    found = stratified_split(labels.cpu().numpy(), tuple(SPLITS.values()), seed=SEED)
    splits = {name: torch.from_numpy(index).to(device) for name, index in zip(SPLITS, found, strict=True)}
    return SBMTask(graph=graph, labels=labels, splits=splits, sampler=sampler, hops=hops, fanout=fanout)
