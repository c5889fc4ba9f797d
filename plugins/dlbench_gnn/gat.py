"""Graph attention network: Veličković et al. 2018, "Graph Attention Networks".

The parameters are PyTorch Geometric's; the sum over neighbours, which gives the same as PyG's, makes no row for each
edge.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import GATConv
from torch_geometric.utils import softmax

from .mixing import mixing_of
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
        conv = self.conv
        heads = structure.linear(x, conv.lin.weight).view(-1, conv.heads, conv.out_channels)  # (N, H, after)
        source, target = structure.looped_edges() if self.loops else structure.edges
        from_source, at_target = ((heads * a).sum(dim=2) for a in (conv.att_src, conv.att_dst))  # (N, H) each
        logits = from_source.index_select(0, source) + at_target.index_select(0, target)  # (E, H)
        weights = softmax(F.leaky_relu(logits, conv.negative_slope), target, num_nodes=structure.num_nodes)
        weights = F.dropout(weights, conv.dropout, self.training)
        y = mixing_of(structure, conv.heads, loops=self.loops, apart=True)(heads, weights)
        return (y.flatten(1) if conv.concat else y.mean(dim=1)) + conv.bias
