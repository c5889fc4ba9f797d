"""The sum of a graph's node features: how often each kind of node is in it, and no edge.

The baseline for chemical sets in Errica et al. 2020, "A Fair Comparison of Graph Neural Networks for Graph
Classification", after Ralaivola et al. 2005, "Graph Kernels for Chemical Informatics". Differs: the sums are normalised
over batches before the network. Where a set has no node features and a task gives degrees in their place, edges come in
by them.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .normalise import Normalise


class Fingerprint(nn.Module):
    """Graphs -> (B, num_outputs), by a network with one hidden layer of `width` units on the sums of the first
    `features` columns of their nodes.

    `inputs` has `.nodes` (N, F), dense or CSR, `.graph_ids` (N,) and `.num_graphs`.
    """

    def __init__(self, *, features: int, num_outputs: int, width: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        self.features = features
        self.network = nn.Sequential(
            Normalise(features), nn.Linear(features, width), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(width, num_outputs),
        )  # fmt: skip

    def forward(self, inputs: Any) -> Tensor:
        nodes = inputs.nodes.to_dense()[:, : self.features]
        return self.network(nodes.new_zeros(inputs.num_graphs, self.features).index_add(0, inputs.graph_ids, nodes))
