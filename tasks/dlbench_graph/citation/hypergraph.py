"""Tasks on one hypergraph, whose splits are sets of its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, Hypergraph, HypergraphBatch, NodeClasses, Signature
from dlbench.data.batches import HIDDEN, hide
from dlbench.data.graphs import BadGraph, check_splits


def single_hypergraph(nodes: Tensor, members: Tensor, num_hyperedges: int) -> HypergraphBatch:
    """`nodes` (N, F) dense or CSR, which become float32; `members` (2, M): a node and a hyperedge that holds it, in any
    order. They come back ascending by hyperedge and node, each once.

    Raises BadGraph on a member or a hyperedge that doesn't exist, a hyperedge without members, or a feature that isn't
    finite.
    """
    nodes = nodes.to(torch.float32)
    wrong_rows = (~nodes.to_dense().isfinite()).any(dim=1).nonzero()
    if len(wrong_rows):
        raise BadGraph(f"a feature of node {int(wrong_rows[0])} isn't finite")
    for what, ends, count in (("node", members[0], nodes.shape[0]), ("hyperedge", members[1], num_hyperedges)):
        wrong = ends[(ends < 0) | (ends >= count)]
        if len(wrong):
            raise BadGraph(f"a member is of {what} {int(wrong[0])}, but the {what}s are 0 to {count - 1}")
    sizes = torch.bincount(members[1], minlength=num_hyperedges)
    if (sizes == 0).any():
        raise BadGraph(f"hyperedge {int((sizes == 0).nonzero()[0])} has no members")
    keys = torch.unique(members[1] * nodes.shape[0] + members[0])
    ordered = torch.stack([keys % nodes.shape[0], keys.div(nodes.shape[0], rounding_mode="floor")])
    return HypergraphBatch(nodes, ordered, num_hyperedges)


@dataclass(kw_only=True)
class SingleHypergraph:
    """Classify nodes; a batch is the whole hypergraph with the split's nodes in the mask.

    `labels` (N,) int64; `splits`: train and test, and val where there is one, as indices of nodes, all on one device.
    Without a val split the training nodes stand for it. With `folds`, a list of such splits, `fold(i)` is the task on
    the i-th. Raises BadGraph on splits that overlap.
    """

    graph: HypergraphBatch
    labels: Tensor
    splits: Mapping[str, Tensor]
    num_classes: int
    folds: Sequence[Mapping[str, Tensor]] = ()

    def __post_init__(self) -> None:
        for splits in self.folds or [self.splits]:
            check_splits({"val": splits["train"], **splits}, len(self.labels), alias=("train", "val"))
        self.signature = Signature(
            input=Hypergraph(node_features=self.graph.nodes.shape[1]),
            output=NodeClasses(num_classes=self.num_classes),
        )

    def fold(self, index: int) -> SingleHypergraph:
        """The task on the splits of one fold."""
        return SingleHypergraph(
            graph=self.graph, labels=self.labels, splits=self.folds[index], num_classes=self.num_classes
        )

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> list[Batch]:
        """One batch; `batch_size` means nothing here."""
        chosen = self.splits["train"] if split == "val" and "val" not in self.splits else self.splits[split]
        mask = torch.zeros(len(self.labels), dtype=torch.bool, device=self.labels.device)
        mask[chosen] = True
        return [Batch(inputs=self.graph, targets=hide(self.labels, mask), mask=mask, size=len(chosen))]

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The mean cross-entropy of the nodes that count."""
        assert batch.targets is not None
        assert batch.mask is not None
        losses = F.cross_entropy(outputs, batch.targets, ignore_index=HIDDEN, reduction="none")
        return (losses * batch.mask).sum() / batch.mask.sum()

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        (batch,) = self.batches(split, 1, None)
        outputs = learner.predict(batch)
        right = ((outputs.argmax(dim=1) == batch.targets) & batch.mask).sum()
        return {"accuracy": right.item() / batch.size, "loss": float(self.loss(outputs, batch))}
