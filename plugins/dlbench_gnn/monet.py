"""Mixture model network: Monti et al. 2017, "Geometric Deep Learning on Graphs and Manifolds Using Mixture Model CNNs".

The parameters are PyTorch Geometric's, without a weight for the node itself; the sum over neighbours, which gives the
same as PyG's, makes no row for each edge. Pseudo-coordinates of an edge are 1 / root of
(degree + 1) of its two ends. `project` sends them through a linear layer with tanh, as Dwivedi et al. 2023,
"Benchmarking Graph Neural Networks". The Gaussians start with means near 0 and deviations of 1, as there, where PyG's
start at random: with a deviation near 0 one would reach no edge at all.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import GMMConv

from .mixing import mixing_of
from .structure import Structure


class MoNetLayer(nn.Module):
    """x (N, before), dense or CSR -> (N, after).

    `kernels`: Gaussians. `aggregation`: `mean` or `sum`. `loops`: each node is its own neighbour too.
    """

    sparse = True

    def __init__(
        self,
        before: int,
        after: int,
        last: bool = False,
        *,
        kernels: int = 3,
        aggregation: str = "mean",
        loops: bool = True,
        project: bool = False,
    ) -> None:
        super().__init__()
        if aggregation not in ("mean", "sum"):
            raise ValueError(f"aggregation is 'mean' or 'sum', not {aggregation!r}")
        self.out_features, self.loops, self.aggregation = after, loops, aggregation
        self.project = nn.Sequential(nn.Linear(2, 2), nn.Tanh()) if project else None
        self.conv = GMMConv(before, after, dim=2, kernel_size=kernels, aggr=aggregation)
        self.conv.root, self.conv.root_weight = None, False  # PyG 2.8.1 raises where this is asked of the constructor
        nn.init.normal_(self.conv.mu, 0.0, 0.1)
        nn.init.ones_(self.conv.sigma)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        places, conv = structure.coordinates(self.loops), self.conv  # (E, 2)
        if self.project is not None:
            places = self.project(places)
        distances = (places[:, None] - conv.mu).square() / (1e-15 + conv.sigma.square())  # (E, kernels, 2)
        columns = structure.linear(x, conv.g.T).view(-1, conv.kernel_size, self.out_features)
        mixing = mixing_of(structure, conv.kernel_size, loops=self.loops, apart=False)
        y = mixing(columns, torch.exp(-0.5 * distances.sum(dim=2)))
        if self.aggregation == "mean":
            y = y / mixing.sizes.clamp(min=1)[:, None]
        return y + conv.bias
