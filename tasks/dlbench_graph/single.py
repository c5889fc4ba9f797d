"""Tasks on one graph, whose splits are sets of its nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, Graph, GraphBatch, Signature, UsageError
from dlbench.data.batches import GatheredBatches, hide
from dlbench.data.graphs import check_splits

from .neighbours import neighbourhood, select_rows, thin
from .nodes import NodeTask


@dataclass(kw_only=True)
class SingleGraph(NodeTask):
    """Classify nodes, or tell a number of each. A batch is the whole graph with the split's nodes in the mask, or, with
    `sampler="neighbour"`, some of these nodes (the mask) with what lies up to `hops` steps around them; in training at
    most `fanout` drawn neighbours per node (None: all of them).

    `graph`: from `dlbench.data.graphs.single_graph`; `splits`: train, val and test. The rest is that of `NodeTask`.

    Raises UsageError on an unknown sampler or a number below 1, BadGraph on splits that overlap and on labels of theirs
    that can't be.
    """

    graph: GraphBatch
    sampler: str = "full"
    hops: int = 2
    fanout: int | None = None

    def __post_init__(self) -> None:
        if self.sampler not in ("full", "neighbour"):
            raise UsageError(f"option 'sampler' is 'full' or 'neighbour', not {self.sampler!r}")
        if self.hops < 1 or (self.fanout is not None and self.fanout < 1):
            raise UsageError("options 'hops' and 'fanout' need a number of at least 1")
        for splits in self.folds or [self.splits]:
            check_splits(splits, len(self.labels))
        self.check_labels(self.graph.nodes.shape[0])
        self.signature = Signature(
            input=Graph(node_features=self.graph.nodes.shape[1], single=True), output=self.output
        )

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
        """`batch_size` counts seed nodes and means nothing for the whole graph."""
        seeds = self.splits[split]
        if self.sampler == "full":
            return [self.whole(self.graph, seeds)]
        return GatheredBatches(
            len(seeds), batch_size, generator, lambda index: self._around(seeds[index], generator), str(seeds.device)
        )

    def _around(self, seeds: Tensor, generator: torch.Generator | None) -> Batch:
        """A batch of seed nodes; without a generator, as for judging, with all their neighbours."""
        edges = self.graph.edges
        if self.fanout is not None and generator is not None:
            edges = thin(edges, len(self.labels), self.fanout, generator)
        nodes, edges = neighbourhood(edges, len(self.labels), seeds, self.hops)
        known = {"by_target": self.graph.by_target, "loopless": self.graph.loopless}  # as all of it, in order
        inputs = GraphBatch(select_rows(self.graph.nodes, nodes), edges, None, torch.zeros_like(nodes), 1, **known)
        mask = torch.isin(nodes, seeds)
        return Batch(inputs=inputs, targets=hide(self.labels[nodes], mask), mask=mask, size=len(seeds))
