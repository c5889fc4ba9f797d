"""Neural network for graphs: Micheli 2009, "Neural Network for Graphs: A Contextual Constructive Approach".

Units of layer k see the node's own features and the sums of its neighbours' states in all earlier layers, so that each
layer looks one step further: h_k = tanh(V_k x + sum over j < k of W_kj A h_j), with plain sums. The output is linear in
the states of all layers, averaged over the nodes where it is for a graph. Micheli adds one unit at a time, trains it to
correlate with the error that is left, and freezes it; here `depth` layers of `width` units are trained together by
backpropagation. Dropout isn't the paper's.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ends import Embed, Rows
from .plain import drop
from .structure import Latest


class NN4G(nn.Module):
    """Graph -> (rows, num_outputs)."""

    def __init__(
        self,
        *,
        features: int,
        num_outputs: int,
        level: str = "nodes",
        width: int = 32,
        depth: int = 4,
        dropout: float = 0.0,
        readout: str = "mean",
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth is at least 1, not {depth}")
        self.depth, self.dropout = depth, dropout
        self.own = Embed(features, depth * width)  # all V_k and biases in one product
        self.context = nn.ModuleList(nn.Linear(k * width, width, bias=False) for k in range(1, depth))
        self.rows = Rows(depth * width, num_outputs, level, readout)
        self.structure_of = Latest()

    def forward(self, inputs: Any) -> Tensor:
        structure = self.structure_of(inputs)
        own = self.own(drop(inputs.nodes, self.dropout, self.training), structure)
        first, *later = own.chunk(self.depth, dim=1)
        states, sums = [torch.tanh(first)], []  # (N, width) each
        for own, context in zip(later, self.context, strict=True):
            sums.append(structure.propagate(states[-1], "sum"))
            states.append(torch.tanh(own + context(torch.cat(sums, dim=1))))
        return self.rows(F.dropout(torch.cat(states, dim=1), self.dropout, self.training), structure)
