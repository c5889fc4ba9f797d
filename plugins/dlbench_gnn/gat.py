"""Graph attention network: Veličković et al. 2018, "Graph Attention Networks". The layer is PyTorch Geometric's."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import GATConv

from .structure import Structure


class GATLayer(nn.Module):
    """x (N, before), dense or CSR -> (N, heads * after), the heads side by side; (N, after), their mean, at last.

    `dropout`: of attention weights. `loops`: each node attends to itself too; without, one that has no edges gets the
    bias alone. `output_heads`: heads of the last layer.
    """

    sparse = True

    def __init__(
        self,
        before: int,
        after: int,
        last: bool = False,
        *,
        heads: int = 8,
        output_heads: int = 1,
        dropout: float = 0.6,
        loops: bool = True,
    ) -> None:
        super().__init__()
        self.loops = loops
        self.out_features = after if last else heads * after
        count = output_heads if last else heads
        self.conv = GATConv(before, after, heads=count, concat=not last, dropout=dropout, add_self_loops=False)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        return self.conv(x, structure.looped_edges() if self.loops else structure.edges)
