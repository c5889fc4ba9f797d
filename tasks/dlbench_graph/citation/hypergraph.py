"""Tasks on one hypergraph, whose splits are sets of its nodes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlbench import Batch, Hypergraph, HypergraphBatch, Signature
from dlbench.data.graphs import BadGraph, check_splits

from ..nodes import NodeTask


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
class SingleHypergraph(NodeTask):
    """Classify nodes, or tell a number of each; a batch is the whole hypergraph with the split's nodes in the mask.

    `splits`: train and test, and val where there is one: without it the training nodes stand for it. The rest is that
    of `NodeTask`. Raises BadGraph on splits that overlap and on labels of theirs that can't be.
    """

    graph: HypergraphBatch

    def __post_init__(self) -> None:
        for splits in self.folds or [self.splits]:
            check_splits({"val": splits["train"], **splits}, len(self.labels), alias=("train", "val"))
        self.check_labels(self.graph.nodes.shape[0])
        self.signature = Signature(input=Hypergraph(node_features=self.graph.nodes.shape[1]), output=self.output)

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> list[Batch]:
        """One batch; `batch_size` means nothing here."""
        chosen = self.splits["train"] if split == "val" and "val" not in self.splits else self.splits[split]
        return [self.whole(self.graph, chosen)]
