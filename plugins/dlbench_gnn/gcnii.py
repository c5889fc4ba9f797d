"""GCNII: Chen et al. 2020, "Simple and Deep Graph Convolutional Networks".

Each of many convolutions mixes in the first hidden state (initial residual, `alpha`) and adds its weights to the
identity, less so with each layer (identity mapping, `theta` / layer):
x <- relu(((1 - alpha) S x + alpha x_0) ((1 - beta) I + beta W)), beta = log(theta / layer + 1), S the symmetrically
normalised adjacency with self-loops. PyTorch Geometric's GCN2Conv computes the same, but sorts S anew in each layer of
each backward step. The paper classifies nodes; for edges and graphs the last linear layer reads out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ends import Embed, Rows
from .plain import drop
from .structure import Latest


class GCNII(nn.Module):
    """Graph -> (rows, num_outputs). `depth` counts convolutions; a linear layer stands before and after them."""

    def __init__(
        self,
        *,
        features: int,
        num_outputs: int,
        level: str = "nodes",
        width: int = 64,
        depth: int = 64,
        dropout: float = 0.6,
        alpha: float = 0.1,
        theta: float = 0.5,
        readout: str = "mean",
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth is at least 1, not {depth}")
        self.dropout, self.alpha = dropout, alpha
        self.embed = Embed(features, width)
        self.convolutions = nn.ModuleList(
            Convolution(width, math.log(theta / layer + 1)) for layer in range(1, depth + 1)
        )
        self.rows = Rows(width, num_outputs, level, readout)
        self.structure_of = Latest()

    def forward(self, inputs: Any) -> Tensor:
        structure = self.structure_of(inputs)
        x = F.relu(self.embed(drop(inputs.nodes, self.dropout, self.training), structure))  # (N, width)
        start = self.alpha * x
        for convolution in self.convolutions:
            near = structure.propagate(F.dropout(x, self.dropout, self.training), "symmetric", loops=True)
            x = F.relu(convolution(torch.add(start, near, alpha=1 - self.alpha)))
        return self.rows(F.dropout(x, self.dropout, self.training), structure)

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """The paper decays the weights of convolutions more than those of dense layers."""
        dense = [*self.embed.parameters(), *self.rows.parameters()]
        return {"convolutions": list(self.convolutions.parameters()), "dense": dense}


class Convolution(nn.Module):
    """x (N, width) -> x ((1 - beta) I + beta W), (N, width)."""

    def __init__(self, width: int, beta: float) -> None:
        super().__init__()
        self.beta = beta
        self.weight = nn.Parameter(torch.empty(width, width).uniform_(-(width**-0.5), width**-0.5))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(x, x, self.weight, beta=1 - self.beta, alpha=self.beta)
