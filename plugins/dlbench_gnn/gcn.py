"""Graph convolutional network: Kipf & Welling 2017, "Semi-Supervised Classification with Graph Convolutional Networks".

The parameters are PyTorch Geometric's; the products, which give the same as PyG's, are with matrices that were made
and transposed beforehand. `norm="mean"`, without self-loops, is the layer of Dwivedi et al. 2023, "Benchmarking Graph
Neural Networks", which can't see degrees.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from .structure import Structure


class GCNLayer(nn.Module):
    """x (N, before), dense or CSR -> (N, after). `norm`: `symmetric` (with self-loops), `mean` or `sum`."""

    sparse = True

    def __init__(self, before: int, after: int, last: bool = False, *, norm: str = "symmetric") -> None:
        super().__init__()
        self.out_features, self.norm = after, norm
        self.conv = GCNConv(before, after, normalize=False)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        y = structure.linear(x, self.conv.lin.weight)
        return structure.propagate(y, self.norm, loops=self.norm == "symmetric") + self.conv.bias
