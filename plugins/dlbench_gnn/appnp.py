"""APPNP: Klicpera et al. 2019, "Predict then Propagate: Graph Neural Networks meet Personalized PageRank".

A fully connected network predicts for each node; its predictions spread by steps of a random walk that returns to its
start with probability `teleport`: Z <- (1 - teleport) S Z + teleport H, S the symmetrically normalised adjacency with
self-loops. As in the authors' code, dropout also falls on the entries of S, anew at each step. Rows for edges and
graphs aren't in the paper: there hidden states spread, and a linear layer follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ends import Embed, Rows
from .plain import drop
from .sparse import Transposed, multiply
from .structure import Latest, Structure


class APPNP(nn.Module):
    """Graph -> (rows, num_outputs). `depth`: linear layers that predict; `hops`: steps of the walk; `edge_dropout`: the
    share of S that a step leaves out, None: as `dropout`."""

    def __init__(
        self,
        *,
        features: int,
        num_outputs: int,
        level: str = "nodes",
        width: int = 64,
        depth: int = 2,
        dropout: float = 0.5,
        edge_dropout: float | None = None,
        hops: int = 10,
        teleport: float = 0.1,
        readout: str = "mean",
    ) -> None:
        super().__init__()
        if depth < 1 or hops < 0 or not 0 <= teleport <= 1:
            raise ValueError(f"can't build depth={depth}, hops={hops}, teleport={teleport}")
        self.dropout, self.edge_dropout = dropout, dropout if edge_dropout is None else edge_dropout
        self.hops, self.teleport = hops, teleport
        ends = [width] * (depth - 1) + [num_outputs if level == "nodes" else width]
        self.layers = nn.ModuleList(Embed(a, b) for a, b in zip([features, *ends[:-1]], ends, strict=True))
        self.rows = None if level == "nodes" else Rows(width, num_outputs, level, readout)
        self.structure_of = Latest()

    def forward(self, inputs: Any) -> Tensor:
        structure = self.structure_of(inputs)
        x = self.layers[0](drop(inputs.nodes, self.dropout, self.training), structure)
        for layer in list(self.layers)[1:]:
            x = layer(F.dropout(F.relu(x), self.dropout, self.training), structure)
        start = self.teleport * x
        for _ in range(self.hops):
            x = (1 - self.teleport) * self.step(x, structure) + start
        return x if self.rows is None else self.rows(F.relu(x), structure)

    def step(self, x: Tensor, structure: Structure) -> Tensor:
        """S x, in training with entries of S left out: x (N, D) -> (N, D)."""
        if not self.training or self.edge_dropout == 0:
            return structure.propagate(x, "symmetric", loops=True)
        if not torch.is_autocast_enabled(x.device.type):
            matrix = structure.adjacency("symmetric", loops=True)
            places = structure.kept("appnp", lambda: Transposed(matrix))
            return multiply(drop(matrix, self.edge_dropout, self.training), x, places)
        (source, target), weights = structure.weighted_edges("symmetric", loops=True)
        weights = F.dropout(weights, self.edge_dropout)[:, None].to(x.dtype)
        return torch.zeros_like(x).index_add(0, target, x[source] * weights)

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """The first layer by itself, as the paper penalises it alone."""
        first = list(self.layers[0].parameters())
        known = {id(p) for p in first}
        return {"first": first, "rest": [p for p in self.parameters() if id(p) not in known]}
