"""GraphVAE: Simonovsky & Komodakis 2018, "GraphVAE: Towards Generation of Small Graphs Using Variational Autoencoders".

A code is decoded at once into a whole graph of at most so many nodes: which nodes there are, of which type, and for
each pair of them no edge or an edge of some type, all independent given the code.

Differs from the paper: nodes come in an order (see `dense.ordered`), so that nothing has to be matched; the nodes that
there are come first, so that their number, one of N, stands for N independent answers; the encoder is a multi-layer
perceptron on the ordered graph in place of a graph convolution, whose sum over nodes couldn't tell the order; and nodes
and edges beyond a graph's size don't count.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Decoded(NamedTuple):
    """Logits: `sizes` (B, N), of 1 to N nodes; `types` (B, N, node types), with no columns where there is one type;
    `bonds` (B, P, 1 + bond types) of the P pairs i < j, row by row, first of no edge."""

    sizes: Tensor
    types: Tensor
    bonds: Tensor


class GraphVAE(nn.Module):
    """`node_types`, `bond_types`: how many there are, at least 1. `latent`: length of the code."""

    def __init__(
        self, *, nodes_max: int, node_types: int = 1, bond_types: int = 1, width: int = 256, depth: int = 2,
        latent: int = 32,
    ) -> None:  # fmt: skip
        super().__init__()
        self.nodes_max, self.latent = nodes_max, latent
        self.node_types = node_types if node_types > 1 else 0
        self.bond_kinds = bond_types + 1
        rows, columns = torch.triu_indices(nodes_max, nodes_max, offset=1)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)
        self.parts = [nodes_max, nodes_max * self.node_types, len(rows) * self.bond_kinds]
        self.encoder = _perceptron(sum(self.parts), width, depth, 2 * latent)
        self.decoder = _perceptron(latent, width, depth, sum(self.parts))

    def pairs(self, bonds: Tensor) -> Tensor:
        """The kinds of the pairs i < j, (B, P), of a matrix (B, N, N)."""
        return bonds[:, self.rows, self.columns]

    def there(self, sizes: Tensor) -> Tensor:
        """Which of the pairs i < j are of nodes that there are, (B, P) bool."""
        return self.columns < sizes[:, None]

    def encode(self, types: Tensor, pairs: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """`types` (B, N, F) one-hot, 0 where no node is; `pairs` (B, P) int64; `sizes` (B,) int64 -> the mean and the
        logarithm of the variance of the code, each (B, latent)."""
        shown = F.one_hot(pairs, self.bond_kinds).to(types) * self.there(sizes)[..., None]
        parts = [F.one_hot(sizes - 1, self.nodes_max).to(types), types.flatten(1)[:, : self.parts[1]], shown.flatten(1)]
        mean, log_var = self.encoder(torch.cat(parts, dim=1)).chunk(2, dim=1)
        return mean, log_var

    def decode(self, code: Tensor) -> Decoded:
        """`code` (B, latent)."""
        sizes, types, bonds = self.decoder(code).float().split(self.parts, dim=1)
        count = len(code)
        types = types.reshape(count, self.nodes_max, self.node_types)
        return Decoded(sizes, types, bonds.reshape(count, -1, self.bond_kinds))

    def log_likelihood(self, decoded: Decoded, types: Tensor, pairs: Tensor, sizes: Tensor) -> Tensor:
        """log p(graph | code) of ordered graphs, in nats, (B,). Arguments as for `encode`."""
        found = -F.cross_entropy(decoded.sizes, sizes - 1, reduction="none")
        surprise = F.cross_entropy(decoded.bonds.flatten(0, 1), pairs.flatten(), reduction="none").view_as(pairs)
        found = found - (surprise * self.there(sizes)).sum(dim=1)
        if self.node_types:  # where no node is, all types are 0
            found = found + (decoded.types.log_softmax(dim=2) * types).sum(dim=(1, 2))
        return found


def divergence(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL of the code's Gaussians from the standard one, in nats: (B, latent) twice -> (B,)."""
    mean, log_var = mean.float(), log_var.float()
    return (mean.square() + log_var.exp() - log_var - 1).sum(dim=1) / 2


def choose(logits: Tensor, uniform: Tensor) -> Tensor:
    """A class each, drawn by numbers from 0 to below 1: (..., classes) and (...) -> (...) int64."""
    below = logits.softmax(dim=-1).cumsum(dim=-1) <= uniform[..., None]
    return below.sum(dim=-1).clamp(max=logits.shape[-1] - 1)


def _perceptron(before: int, width: int, depth: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in [before, *[width] * (depth - 1)]:
        layers += [nn.Linear(size, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, after))
