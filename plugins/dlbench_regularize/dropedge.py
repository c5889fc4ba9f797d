"""DropEdge: each training step sees a graph without some of its edges."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dlbench import (
    Batch,
    Graph,
    GraphBatch,
    Learner,
    NotApplicable,
    Optimizers,
    Regularizer,
    Signature,
    SyntaxBatch,
    UsageError,
)


class DropEdge(Regularizer):
    """Leave out each undirected edge, in both directions at once, with probability `rate`; its features go with it.

    Rong et al. 2020, "DropEdge: Towards Deep Graph Convolutional Networks on Node Classification". What differs: they
    remove a fixed number of edges. Layers normalise what is left, as there. Needs graphs, and targets that don't
    belong to edges.
    """

    def __init__(self, *, rate: float = 0.5) -> None:
        if not 0 <= rate < 1:
            raise UsageError(f"dropedge needs a rate from 0 to below 1, not {rate}")
        self.rate = rate
        self._edges: Tensor | None = None
        self._version, self._count = -1, 0
        self._pair = torch.empty(0)

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        if not isinstance(signature.input, Graph):
            raise NotApplicable(f"the regularizer dropedge works on graphs, not on {signature.input}")

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        graphs = batch.inputs
        if not isinstance(graphs, (GraphBatch, SyntaxBatch)):
            raise UsageError("the regularizer dropedge works on graphs only")
        if _asks_for_edges(batch):
            raise UsageError("the regularizer dropedge can't leave out edges where each edge has a target")
        if not self.rate:
            return batch
        pair, count = self._pairs(graphs)
        kept = torch.rand(count, generator=generator) >= self.rate
        stays = kept.to(pair.device, non_blocking=True)[pair].nonzero().squeeze(1)
        name = "relations" if isinstance(graphs, SyntaxBatch) else "edge_features"
        features = getattr(graphs, name)
        left = {name: None if features is None else features.index_select(0, stays)}
        return replace(batch, inputs=graphs._replace(edges=graphs.edges.index_select(1, stays), **left))

    def _pairs(self, graphs: GraphBatch | SyntaxBatch) -> tuple[Tensor, int]:
        """The number of each edge's pair of ends, (E,) int64, and how many pairs there are. The last answer is kept:
        a full graph's is found once."""
        edges = graphs.edges
        if edges is not self._edges or edges._version != self._version:
            keys = edges.amin(dim=0) * len(graphs.graph_ids) + edges.amax(dim=0)
            pairs, self._pair = keys.unique(return_inverse=True)
            self._edges, self._version, self._count = edges, edges._version, len(pairs)
        return self._pair, self._count


def _asks_for_edges(batch: Batch) -> bool:
    """Whether the targets are as many as the edges and nothing else."""
    if batch.targets is None:
        return False
    graphs, rows = batch.inputs, batch.targets.shape[0]
    return rows == graphs.edges.shape[1] and rows not in (len(graphs.graph_ids), graphs.num_graphs)
