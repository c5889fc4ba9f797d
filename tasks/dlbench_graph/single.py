"""Tasks on one graph, whose splits are sets of its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, Graph, GraphBatch, NodeClasses, Signature, UsageError
from dlbench.data.batches import HIDDEN, GatheredBatches, hide
from dlbench.data.graphs import BadGraph, check_splits

from .neighbours import neighbourhood, select_rows, thin


@dataclass(kw_only=True)
class SingleGraph:
    """Classify nodes. A batch is the whole graph with the split's nodes in the mask, or, with `sampler="neighbour"`,
    some of these nodes (the mask) with what lies up to `hops` steps around them; in training at most `fanout` drawn
    neighbours per node (None: all of them).

    `graph`: from `dlbench.data.graphs.single_graph`; `labels` (N,) int64; `splits`: train, val and test as indices of
    nodes, all on one device. With `folds`, a list of such splits, `fold(i)` is the task on the i-th.

    Raises UsageError on an unknown sampler or a number below 1, BadGraph on splits that overlap.
    """

    graph: GraphBatch
    labels: Tensor
    splits: Mapping[str, Tensor]
    num_classes: int
    sampler: str = "full"
    hops: int = 2
    fanout: int | None = None
    folds: Sequence[Mapping[str, Tensor]] = ()

    def __post_init__(self) -> None:
        if self.sampler not in ("full", "neighbour"):
            raise UsageError(f"option 'sampler' is 'full' or 'neighbour', not {self.sampler!r}")
        if self.hops < 1 or (self.fanout is not None and self.fanout < 1):
            raise UsageError("options 'hops' and 'fanout' need a number of at least 1")
        if len(self.labels) != self.graph.nodes.shape[0]:
            raise BadGraph(f"there are {len(self.labels)} labels for {self.graph.nodes.shape[0]} nodes")
        for splits in self.folds or [self.splits]:
            check_splits(splits, len(self.labels))
        self.signature = Signature(
            input=Graph(node_features=self.graph.nodes.shape[1], single=True),
            output=NodeClasses(num_classes=self.num_classes),
        )

    def fold(self, index: int) -> SingleGraph:
        """The task on the splits of one fold."""
        return SingleGraph(
            graph=self.graph, labels=self.labels, splits=self.folds[index], num_classes=self.num_classes,
            sampler=self.sampler, hops=self.hops, fanout=self.fanout,
        )  # fmt: skip

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
        """`batch_size` counts seed nodes and means nothing for the whole graph."""
        seeds, device = self.splits[split], self.labels.device
        if self.sampler == "full":
            mask = torch.zeros(len(self.labels), dtype=torch.bool, device=device)
            mask[seeds] = True
            return [Batch(inputs=self.graph, targets=hide(self.labels, mask), mask=mask, size=len(seeds))]
        return GatheredBatches(
            len(seeds), batch_size, generator, lambda index: self._around(seeds[index], generator), str(device)
        )

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The mean cross-entropy of the nodes that count."""
        assert batch.targets is not None
        assert batch.mask is not None
        losses = F.cross_entropy(outputs, batch.targets, ignore_index=HIDDEN, reduction="none")
        return (losses * batch.mask).sum() / batch.mask.sum()

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        right, loss, count = torch.zeros((), dtype=torch.int64, device=self.labels.device), 0.0, 0
        for batch in self.batches(split, 128, None):
            outputs = learner.predict(batch)
            right += ((outputs.argmax(dim=1) == batch.targets) & batch.mask).sum()
            loss += float(self.loss(outputs, batch)) * batch.size
            count += batch.size
        return {"accuracy": right.item() / count, "loss": loss / count}

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
