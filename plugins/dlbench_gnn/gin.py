"""Graph isomorphism network: Xu et al. 2019, "How Powerful are Graph Neural Networks?".

The parameters are PyTorch Geometric's, with a trained epsilon. The sum over neighbours comes after the first product
where that is narrower, which is the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINConv

from .norm import RowNorm
from .structure import Structure


class GINLayer(nn.Module):
    """x (N, before), dense or CSR -> (N, after), by linear, batch norm, ReLU, linear on the sum of a node's neighbours
    and (1 + epsilon) times the node. Hidden units: as many as it returns; at last as many as it takes."""

    sparse = True

    def __init__(self, before: int, after: int, last: bool = False) -> None:
        super().__init__()
        self.out_features = after
        self.hidden = before if last else after
        self.conv = GINConv(
            nn.Sequential(
                nn.Linear(before, self.hidden),
                RowNorm(self.hidden),
                nn.ReLU(),
                nn.Linear(self.hidden, after),
            ),
            train_eps=True,
        )

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        first, *rest = self.conv.nn
        if x.layout == torch.sparse_csr or x.shape[1] > self.hidden:
            x = structure.linear(x, first.weight)  # (N, hidden)
            y = self.gather(x, structure) + first.bias
        else:
            y = first(self.gather(x, structure))
        for module in rest:
            y = module(y)
        return y

    def gather(self, x: Tensor, structure: Structure) -> Tensor:
        """The sum over a node's neighbours and (1 + epsilon) times the node: (N, D) -> (N, D)."""
        return structure.propagate(x, "sum") + (1 + self.conv.eps) * x
