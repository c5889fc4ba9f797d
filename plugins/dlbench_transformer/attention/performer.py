"""Performer: Choromanski et al. 2021, "Rethinking Attention with Performers" (FAVOR+).

Positive random features whose products are, on average, the exponential of the dot product. Differs from the authors'
code: a causal model's keys are not scaled by their largest feature, as that would let it see later tokens (so very
long keys, beyond some 8 times a normal one's length, vanish there), and the features are drawn once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RandomFeatures(nn.Module):
    """phi(x) = exp(w x' - |x'|^2 / 2) / sqrt(M) with x' = x / size ** 0.25, for M rows w. A query's features are
    divided by their largest, which numerator and denominator share; where all keys are there, theirs are likewise. In
    the precision of w, whatever autocast says."""

    rows: Tensor

    def __init__(self, *, size: int, num_features: int) -> None:
        super().__init__()
        self.register_buffer("rows", orthogonal_rows(num_features, size))

    def forward(
        self, query: Tensor, key: Tensor, mask: Tensor | None = None, whole: bool = False
    ) -> tuple[Tensor, Tensor]:
        """(B, heads, T, size) each -> (B, heads, T, M). `mask` (B, 1, T, 1) and `whole`: see `Linear`."""
        query, key = self.exponents(query), self.exponents(key)
        if whole:
            seen = key.detach() if mask is None else key.detach().masked_fill(~mask, -torch.inf)
            key = (key - seen.amax(dim=(-2, -1), keepdim=True)).clamp(max=0.0)  # padding may be longer: it won't count
        return (query - query.detach().amax(dim=-1, keepdim=True)).exp(), key.exp() / key.shape[-1]

    def exponents(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            scaled = x.to(self.rows.dtype) * x.shape[-1] ** -0.25
            return scaled @ self.rows.T - scaled.square().sum(dim=-1, keepdim=True) / 2


def orthogonal_rows(count: int, size: int) -> Tensor:
    """(count, size), drawn from torch's global generator: rows in blocks of `size` are at right angles to each other,
    and each is as long as a row of independent normal numbers."""
    normal = torch.randn(-(-count // size), size, size)
    columns, triangles = torch.linalg.qr(normal)
    signs = triangles.diagonal(dim1=-2, dim2=-1).sign()  # without them not every direction is as likely
    rows = (columns * signs[:, None]).transpose(1, 2).reshape(-1, size)
    return rows[:count] * torch.randn(count, size).norm(dim=1, keepdim=True)
