"""Features propagated by a fixed matrix that no weight changes: made once where batches show one and the same graph."""

from __future__ import annotations

import torch
from torch import Tensor

from .kept import Kept
from .structure import Structure


class Hops:
    """x (N, F) -> P^hops x (N, F), or with `every` x, P x, ..., P^hops x side by side (N, (hops + 1) F).

    `norm` and `loops` say which matrix P is (see `Structure.weighted_edges`). CSR features become dense: a few hops
    fill many of their columns. The last answer is kept for batches with the same features and edges.
    """

    def __init__(self, hops: int, norm: str, *, loops: bool = False, every: bool = False) -> None:
        if hops < 0:
            raise ValueError(f"hops is at least 0, not {hops}")
        self.hops, self.norm, self.loops, self.every = hops, norm, loops, every
        self.kept = Kept()

    def __call__(self, x: Tensor, structure: Structure) -> Tensor:
        if x.requires_grad:  # what is kept has no history
            return self.propagate(x, structure)
        return self.kept(lambda: self.propagate(x, structure), x, structure.edges)

    def propagate(self, x: Tensor, structure: Structure) -> Tensor:
        """The answer, computed."""
        states = [x.to_dense() if x.layout == torch.sparse_csr else x]
        for _ in range(self.hops):
            states.append(structure.propagate(states[-1], self.norm, self.loops))
        return torch.cat(states, dim=1) if self.every else states[-1]
