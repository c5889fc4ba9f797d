"""Mixture model network: Monti et al. 2017, "Geometric Deep Learning on Graphs and Manifolds Using Mixture Model CNNs".

The layer is PyTorch Geometric's, without a weight for the node itself. Pseudo-coordinates of an edge are 1 / root of
(degree + 1) of its two ends. `project` sends them through a linear layer with tanh, as Dwivedi et al. 2023,
"Benchmarking Graph Neural Networks". The Gaussians start with means near 0 and deviations of 1, as there, where PyG's
start at random: with a deviation near 0 one would reach no edge at all.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import GMMConv

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
        self.out_features, self.loops = after, loops
        self.project = nn.Sequential(nn.Linear(2, 2), nn.Tanh()) if project else None
        self.conv = GMMConv(before, after, dim=2, kernel_size=kernels, aggr=aggregation)
        self.conv.root, self.conv.root_weight = None, False  # PyG 2.8.1 raises where this is asked of the constructor
        nn.init.normal_(self.conv.mu, 0.0, 0.1)
        nn.init.ones_(self.conv.sigma)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        places = structure.coordinates(self.loops)  # (E, 2)
        if self.project is not None:
            places = self.project(places)
        return self.conv(x, structure.looped_edges() if self.loops else structure.edges, places)
