"""Chebyshev network: Defferrard, Bresson & Vandergheynst 2016, "Convolutional Neural Networks on Graphs with Fast
Localized Spectral Filtering".

The filter is sum_k T_k(L) X W_k with L the scaled Laplacian for a largest eigenvalue of 2: minus the normalised
adjacency matrix. The parameters are PyTorch Geometric's; the sum is own code, on a matrix made beforehand, and
propagates X or X W_k, whichever is narrower. PyG divides by out-degrees and leaves self-loops out; here in-degrees
divide, and self-loops count. On undirected graphs without self-loops that is the same.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import ChebConv

from .structure import Structure


class ChebLayer(nn.Module):
    """x (N, before), dense or CSR -> (N, after). `hops`: Chebyshev polynomials, T_0 to T_(hops - 1)."""

    sparse = True

    def __init__(self, before: int, after: int, last: bool = False, *, hops: int = 3) -> None:
        super().__init__()
        if hops < 1:
            raise ValueError(f"hops is at least 1, not {hops}")
        self.out_features = after
        self.conv = ChebConv(before, after, K=hops)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        weights = [lin.weight for lin in self.conv.lins]  # each (after, before)
        before_is_wide = x.layout == torch.sparse_csr or x.shape[1] > self.out_features
        terms = transform_first if before_is_wide else propagate_first
        return terms(x, weights, structure) + self.conv.bias


def propagate_first(x: Tensor, weights: list[Tensor], structure: Structure) -> Tensor:
    """The columns of x (N, before) are propagated, by T_k = 2 L T_(k-1) - T_(k-2)."""
    terms = [x]
    for k in range(1, len(weights)):
        step = scaled_laplacian(terms[-1], structure)
        terms.append(step if k == 1 else 2 * step - terms[-2])
    return F.linear(torch.cat(terms, dim=1), torch.cat(weights, dim=1))


def transform_first(x: Tensor, weights: list[Tensor], structure: Structure) -> Tensor:
    """The columns of X W_k (N, after) are propagated, by Clenshaw's recurrence B_k = X W_k + 2 L B_(k+1) - B_(k+2)."""
    first, *rest = structure.linear(x, torch.cat(weights)).chunk(len(weights), dim=1)
    if not rest:
        return first
    ahead, further = rest.pop(), torch.zeros_like(first)
    while rest:
        ahead, further = rest.pop() + 2 * scaled_laplacian(ahead, structure) - further, ahead
    return first + scaled_laplacian(ahead, structure) - further


def scaled_laplacian(x: Tensor, structure: Structure) -> Tensor:
    """2 / 2 (I - D^-1/2 A D^-1/2) - I, applied to x (N, D)."""
    return -structure.propagate(x, "symmetric")
