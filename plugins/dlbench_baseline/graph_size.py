"""How large a graph is, and nothing else of it: what a network has to beat before structure can be said to help.

On many sets of the TU Dortmund collection the classes differ in size, and a network that counts nodes does as well as
one that passes messages (Errica et al. 2020, "A Fair Comparison of Graph Neural Networks for Graph Classification";
Luzhnica et al. 2019, "On Graph Classification Networks, Datasets and Baselines").
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .normalise import Normalise

SIZES = 3


class GraphSize(nn.Module):
    """Graphs -> (B, num_outputs), by a network with one hidden layer of `width` units on three numbers of each: how
    many nodes and edges it has, and its mean degree. They are taken as logarithms and normalised over batches.

    `inputs` has `.nodes` (N, F), `.edges` (2, E), `.graph_ids` (N,) and `.num_graphs`.
    """

    def __init__(self, *, num_outputs: int, width: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        self.network = nn.Sequential(
            Normalise(SIZES),
            nn.Linear(SIZES, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, num_outputs),
        )

    def forward(self, inputs: Any) -> Tensor:
        return self.network(sizes_of(inputs))


def sizes_of(graphs: Any) -> Tensor:
    """log(1 + x) of each graph's nodes, edges and edges per node: (B, 3)."""
    zeros = torch.zeros(graphs.num_graphs, dtype=torch.float32, device=graphs.edges.device)
    nodes = zeros.index_add(0, graphs.graph_ids, torch.ones_like(graphs.graph_ids, dtype=torch.float32))
    owners = graphs.graph_ids[graphs.edges[1]]
    edges = zeros.index_add(0, owners, torch.ones_like(owners, dtype=torch.float32))
    return torch.stack([nodes, edges, edges / nodes.clamp(min=1)], dim=1).log1p()
