"""Graph convolutional network: Kipf & Welling 2017, "Semi-Supervised Classification with Graph Convolutional Networks".

Differs from the paper: depth is free, with ReLU between layers. The L2 penalty on the first layer only belongs to the
recipe (`first.weight_decay`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import GCNConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm


class GCN(nn.Module):
    """Graph -> logits per node (N, num_classes).

    `inputs` has `.nodes` (N, features), dense or CSR, and `.edges` (2, E) int64, source then target, with both
    directions and no self-loops, which are added here. Dropout acts on each layer's input; of CSR features it drops
    only stored values, which is the same for all that follows and much faster.
    """

    def __init__(
        self, *, features: int, num_classes: int, width: int = 16, depth: int = 2, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.dropout = dropout
        sizes = [features, *[width] * (depth - 1), num_classes]
        # the normalised edges are the same for every layer, so forward computes them once
        self.layers = nn.ModuleList(GCNConv(before, after, normalize=False) for before, after in pairwise(sizes))

    def forward(self, inputs: Any) -> Tensor:
        x = inputs.nodes
        edges, weights = gcn_norm(inputs.edges, num_nodes=x.shape[0], dtype=x.dtype)
        for index, layer in enumerate(self.layers):
            x = self._drop(F.relu(x) if index else x)
            x = layer(x, edges, weights)  # (N, width), at last (N, num_classes)
        return x

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """The first layer by itself, as the paper penalises its weights alone."""
        first, *rest = self.layers
        return {"first": first.parameters(), "rest": [p for layer in rest for p in layer.parameters()]}

    def _drop(self, x: Tensor) -> Tensor:
        if x.layout != torch.sparse_csr:
            return F.dropout(x, self.dropout, self.training)
        if not self.training or self.dropout == 0:
            return x
        values = F.dropout(x.values(), self.dropout)
        return torch.sparse_csr_tensor(x.crow_indices(), x.col_indices(), values, x.shape)
