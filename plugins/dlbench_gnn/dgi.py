"""Deep Graph Infomax: node vectors by telling a graph's nodes from those of a shuffled one.

Veličković et al. 2019, "Deep Graph Infomax".
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import Batch, Learner

from .plain import multipliable
from .structure import Latest, Structure


class DGI(Learner):
    """Graph -> node vectors (N, width), without labels. `depth` counts convolutions; published is one.

    A bilinear discriminator tells pairs of a node's vector and its graph's summary (the mean vector through a sigmoid)
    from pairs in which the vector comes from the same graph with its rows of features shuffled. Features may be CSR.
    """

    def __init__(self, *, features: int, width: int = 512, depth: int = 1) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        sizes = [features] + [width] * (depth - 1)
        self.layers = nn.ModuleList(Convolution(size, width) for size in sizes)
        self.discriminator = nn.Parameter(nn.init.xavier_uniform_(torch.empty(width, width)))
        self.structure_of = Latest()

    def loss(self, batch: Batch) -> Tensor:
        """The discriminator's binary cross-entropy, half from either side, in nats."""
        inputs = batch.inputs
        structure = self.structure_of(inputs)
        mapped = self.layers[0].map(inputs.nodes)  # each row on its own, so shuffling may come after it
        order = torch.randperm(mapped.shape[0], device=mapped.device)
        real = self.encode(mapped, structure)
        shuffled = self.encode(mapped[order], structure)
        towards = self.summary(real, structure) @ self.discriminator.T  # (B, width)
        scores = [(vectors * towards[structure.graph_ids]).sum(dim=1) for vectors in (real, shuffled)]
        return (F.softplus(-scores[0]).mean() + F.softplus(scores[1]).mean()) / 2

    def embed(self, inputs: Any) -> Tensor:
        """(N, width)"""
        return self.encode(self.layers[0].map(inputs.nodes), self.structure_of(inputs))

    def encode(self, mapped: Tensor, structure: Structure) -> Tensor:
        """From the first layer's linear map of the features (N, width) to the vectors (N, width)."""
        x = self.layers[0].spread(mapped, structure)
        for layer in self.layers[1:]:
            x = layer.spread(layer.map(x), structure)
        return x

    def summary(self, vectors: Tensor, structure: Structure) -> Tensor:
        """(N, width) -> (B, width)"""
        return structure.pool(vectors, "mean").sigmoid()


class Convolution(nn.Module):
    """The layer of Kipf & Welling 2017 and a PReLU, in two steps: a linear map of each row, and the mean over
    neighbours."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(before, after)))
        self.bias = nn.Parameter(torch.zeros(after))
        self.activation = nn.PReLU()

    def map(self, x: Tensor) -> Tensor:
        """(N, before), dense or CSR -> (N, after)"""
        return multipliable(x) @ self.weight

    def spread(self, mapped: Tensor, structure: Structure) -> Tensor:
        """(N, after) -> (N, after)"""
        return self.activation(structure.propagate(mapped, "symmetric", loops=True) + self.bias)
