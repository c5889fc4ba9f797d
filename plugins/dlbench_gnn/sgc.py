"""Simple graph convolution: Wu et al. 2019, "Simplifying Graph Convolutional Networks".

A linear model on features propagated by the symmetrically normalised adjacency with self-loops: S^K X W + b. It has no
hidden layer, so no width and no depth. Rows for edges and graphs aren't in the paper: a linear row on the propagated
features of both ends, or of the nodes together.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .ends import Rows
from .hops import Hops
from .structure import Latest


class SGC(nn.Module):
    """Graph -> (rows, num_outputs). On one full graph S^K X is computed once, dense (N, features); `hops`: K."""

    def __init__(
        self, *, features: int, num_outputs: int, level: str = "nodes", hops: int = 2, readout: str = "mean"
    ) -> None:
        super().__init__()
        self.hops = Hops(hops, "symmetric", loops=True)
        self.rows = Rows(features, num_outputs, level, readout)
        self.structure_of = Latest()

    def forward(self, inputs: Any) -> Tensor:
        structure = self.structure_of(inputs)
        return self.rows(self.hops(inputs.nodes, structure), structure)
