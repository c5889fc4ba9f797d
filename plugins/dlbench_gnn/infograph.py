"""InfoGraph: vectors of whole graphs by telling which graph a node belongs to.

Sun et al. 2020, "InfoGraph: Unsupervised and Semi-supervised Graph-Level Representation Learning via Mutual Information
Maximization". The encoder is that of Xu et al. 2019, "How Powerful are Graph Neural Networks?", with PyTorch
Geometric's layer. The optional prior of the paper is left out.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import GINConv

from dlbench import Batch, Learner

from .norm import RowNorm
from .structure import Latest, Structure


class InfoGraph(Learner):
    """Graphs -> a vector for each (B, width * depth), without labels: the sums over the nodes of every layer's states,
    side by side. Two small networks map graphs and nodes to where their inner products are scores.
    """

    def __init__(self, *, features: int, width: int = 32, depth: int = 5) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        sizes = [features] + [width] * (depth - 1)
        self.layers = nn.ModuleList(GINConv(perceptron(size, width), train_eps=False) for size in sizes)
        self.norms = nn.ModuleList(RowNorm(width) for _ in sizes)
        self.of_nodes, self.of_graphs = Projection(width * depth), Projection(width * depth)
        self.structure_of = Latest()

    def loss(self, batch: Batch) -> Tensor:
        """Minus the Jensen-Shannon estimate of the mutual information between nodes and graphs, in nats."""
        structure = self.structure_of(batch.inputs)
        states = self.states(batch.inputs, structure)
        scores = self.of_nodes(states) @ self.of_graphs(structure.pool(states, "sum")).T  # (N, B)
        return -jensen_shannon(scores, structure.graph_ids)

    def embed(self, inputs: Any) -> Tensor:
        """(B, width * depth)"""
        structure = self.structure_of(inputs)
        return structure.pool(self.states(inputs, structure), "sum")

    def states(self, inputs: Any, structure: Structure) -> Tensor:
        """The states of all layers side by side, (N, width * depth)."""
        x, found = inputs.nodes, []
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(F.relu(layer(x, structure.edges)))
            found.append(x)
        return torch.cat(found, dim=1)


class Projection(nn.Module):
    """Three layers with rectifiers beside a linear shortcut, (rows, size) -> (rows, size)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        layers = [layer for _ in range(3) for layer in (nn.Linear(size, size), nn.ReLU())]
        self.block = nn.Sequential(*layers)
        self.shortcut = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x) + self.shortcut(x)


def perceptron(before: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(before, width), nn.ReLU(), nn.Linear(width, width))


def jensen_shannon(scores: Tensor, owner: Tensor) -> Tensor:
    """The Jensen-Shannon estimate of mutual information from the scores (N, B) of nodes against graphs; `owner` (N,) is
    each node's graph. The mean over true pairs of log 2 - softplus(-score), minus the mean over all others of
    softplus(score) - log 2. With a single graph the second part is 0."""
    true = F.one_hot(owner, scores.shape[1]).bool()
    others = scores.numel() - scores.shape[0]
    joint = math.log(2) - F.softplus(-scores.gather(1, owner[:, None])).mean()
    apart = torch.where(true, 0, F.softplus(scores) - math.log(2)).sum() / max(others, 1)
    return joint - apart
