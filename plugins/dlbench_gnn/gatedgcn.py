"""Gated graph convolutional network: Bresson & Laurent 2018, "Residual Gated Graph ConvNets", with the edge states of
Dwivedi et al. 2023, "Benchmarking Graph Neural Networks". Differs: the last layer has no batch norm for edge states, as
nothing reads them; the embeddings have a bias.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .deep import DeepNetwork
from .norm import RowNorm
from .structure import Structure


class GatedLayer(nn.Module):
    """Node states x (N, D) and edge states e (E, D) -> new ones, before batch norm.

    e_ij = C e_ij + D x_j + E x_i for an edge from j to i, x_i = A x_i + sum_j g_ij B x_j / (sum_j g_ij + 1e-6) with
    g_ij = sigmoid(e_ij), the new one.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_features = width
        self.on_nodes = nn.Linear(width, 4 * width)  # B, D, E and A in one product
        self.on_edges = nn.Linear(width, width)  # C

    def forward(self, x: Tensor, e: Tensor, structure: Structure) -> tuple[Tensor, Tensor]:
        source, target = structure.edges
        width = self.out_features
        from_source, to_target, own = self.on_nodes(x).split([2 * width, width, width], dim=1)
        message, logit = from_source.index_select(0, source).chunk(2, dim=1)  # (E, D) each
        e = self.on_edges(e) + logit + to_target.index_select(0, target)
        gates = torch.sigmoid(e)
        total = structure.sum_edges(gates)
        return own + structure.sum_edges(gates * message) / (total + 1e-6), e


class GatedGCN(DeepNetwork):
    """As `DeepNetwork`, with a state for each edge, which begins as a linear layer of its `edge_features` columns; of a
    constant 1 where that is 0."""

    def __init__(
        self,
        *,
        features: int,
        num_outputs: int,
        level: str,
        edge_features: int = 0,
        width: int = 70,
        depth: int = 4,
        **options: Any,
    ) -> None:
        super().__init__(
            layer=lambda before, after, last: GatedLayer(after), features=features, num_outputs=num_outputs,
            level=level, width=width, depth=depth, **options,
        )  # fmt: skip
        self.edge_features = edge_features
        self.embed_edges = nn.Linear(max(edge_features, 1), width)
        count = 0 if self.norms is None else depth - 1
        self.edge_norms = nn.ModuleList(RowNorm(width) for _ in range(count))

    def states(self, x: Tensor, structure: Structure) -> list[Tensor]:
        states, e = [x], self.begin(x, structure)
        for index, layer in enumerate(self.layers):
            y, f = layer(states[-1], e, structure)
            states.append(self.update(index, y, states[-1]))
            if index < len(self.layers) - 1:
                e = self.update_edges(index, f, e)
        return states

    def begin(self, x: Tensor, structure: Structure) -> Tensor:
        """The first edge states (E, D)."""
        if not self.edge_features:
            return self.embed_edges(x.new_ones(1, 1)).expand(structure.edges.shape[1], -1)
        if structure.edge_features is None:
            raise ValueError(f"this network was built for edges with {self.edge_features} features, but they have none")
        return self.embed_edges(structure.edge_features)

    def update_edges(self, index: int, f: Tensor, e: Tensor) -> Tensor:
        """What becomes of a layer's answer f to its edge states e, both (E, D)."""
        f = self.activation(self.edge_norms[index](f) if self.edge_norms else f)
        return F.dropout(e + f if self.residual else f, self.dropout, self.training)
