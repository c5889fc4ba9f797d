"""Gated graph neural network: Li et al. 2016, "Gated Graph Sequence Neural Networks".

In each of `depth` steps every node sums messages of its neighbours, and a GRU cell, the same in all steps, makes its
next state of them. A node's output is linear in its last and its first state; a graph's is a sum over nodes, weighted
by a gate for each unit (soft attention): tanh(sum of sigmoid(i(h, x)) * tanh(j(h, x))), then a linear layer. Differs:
the first state is a linear map of the features, where the paper pads them with zeros; all edges are of one type;
messages go along edges only, and with `directed` also against them with weights of their own, as in the paper (where
every edge is there in both directions that is redundant). PyTorch Geometric's GatedGraphConv isn't used, as it has
weights per step. Dropout isn't the paper's.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ends import Embed, Rows
from .plain import drop
from .structure import Latest, Structure


class GGNN(nn.Module):
    """Graph -> (rows, num_outputs)."""

    def __init__(
        self,
        *,
        features: int,
        num_outputs: int,
        level: str = "nodes",
        width: int = 64,
        depth: int = 4,
        dropout: float = 0.0,
        directed: bool = False,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth is at least 1, not {depth}")
        self.depth, self.dropout, self.directed = depth, dropout, directed
        self.embed = Embed(features, width)
        ways = 2 if directed else 1
        self.messages = nn.ModuleList(nn.Linear(width, width) for _ in range(ways))
        self.cell = nn.GRUCell(ways * width, width)
        self.attention = Attention(2 * width, width) if level == "graphs" else None
        self.rows = Rows(width, num_outputs, "nodes") if self.attention else Rows(2 * width, num_outputs, level)
        self.structure_of = Latest()

    def forward(self, inputs: Any) -> Tensor:
        structure = self.structure_of(inputs)
        x = h = self.embed(drop(inputs.nodes, self.dropout, self.training), structure)  # (N, width)
        ways = [structure, structure.reversed()] if self.directed else [structure]
        for _ in range(self.depth):
            sums = [way.propagate(send(h), "sum") for way, send in zip(ways, self.messages, strict=True)]
            h = self.cell(torch.cat(sums, dim=1), h)
        states = F.dropout(torch.cat([h, x], dim=1), self.dropout, self.training)
        return self.rows(self.attention(states, structure) if self.attention else states, structure)


class Attention(nn.Module):
    """Node states (N, before) -> a state for each graph (B, after)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.gate, self.value = nn.Linear(before, after), nn.Linear(before, after)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        return torch.tanh(structure.pool(torch.sigmoid(self.gate(x)) * torch.tanh(self.value(x)), "sum"))
