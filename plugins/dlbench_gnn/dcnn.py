"""Diffusion-convolutional neural network: Atwood & Towsley 2016, "Diffusion-Convolutional Neural Networks".

Z = tanh(W * P*X): P*X are the features after 0, 1, ..., `hops` steps of a random walk (P = D^-1 A), W has one weight
for each hop and feature, `*` is elementwise. A dense layer makes rows of Z. A graph's P*X is the mean over its nodes,
taken before the nonlinearity. Differences: a node without neighbours has zeros after the first step; the authors' code
divides by degree + 1; their edges become nodes of an extended graph, here an edge's row sees the Z of both its ends.
Weights start at 1, the plain diffusion. There is no hidden layer, so no width and no depth. Dropout isn't the paper's.

Cost: on one full graph P*X is computed once, dense. A step works on (hops + 1) N F numbers (Cora: 12 million, of which
0.9 million aren't 0), which makes this the slowest of the shallow networks on bags of words. Sparse operations on the
CPU were slower than dense ones on a few rows at a time.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ends import Rows
from .hops import Hops
from .structure import Latest

CHUNK = 1 << 20  # numbers that a CPU works on at once: memory for more is taken from the system anew each time


class DCNN(nn.Module):
    """Graph -> (rows, num_outputs)."""

    def __init__(
        self, *, features: int, num_outputs: int, level: str = "nodes", hops: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.level, self.dropout = level, dropout
        self.hops = Hops(hops, "mean", every=True)
        columns = (hops + 1) * features
        self.weight = nn.Parameter(torch.ones(columns))
        self.rows = Rows(columns, num_outputs, "nodes" if level == "graphs" else level)
        self.structure_of = Latest()

    def forward(self, inputs: Any) -> Tensor:
        structure = self.structure_of(inputs)
        x = self.hops(inputs.nodes, structure)  # (N, (hops + 1) F)
        if self.level == "graphs":
            x = structure.pool(x, "mean")
        if self.level == "edges":
            return self.rows(self.activate(x), structure)
        size = len(x) if x.is_cuda else max(1, CHUNK // x.shape[1])
        return torch.cat([self.rows(self.activate(rows), structure) for rows in x.split(size)])

    def activate(self, x: Tensor) -> Tensor:
        """Z of P*X, both (rows, (hops + 1) F)."""
        return F.dropout(torch.tanh(x * self.weight), self.dropout, self.training)
