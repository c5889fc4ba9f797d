"""How well a query and a key fit each other, and the mean of the values weighted by it.

The dot product: Vaswani et al. 2017, "Attention Is All You Need". The additive score: Bahdanau et al. 2015, "Neural
Machine Translation by Jointly Learning to Align and Translate".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Dot(nn.Module):
    """softmax(q . k / sqrt(size) + mask) v.

    query (B, heads, T, size), key and value (B, heads, S, size); `mask` broadcasts to (B, heads, T, S): bool, true
    where a key may be seen, or float, to be added. `causal` stands in place of a mask. `fused`: by PyTorch's kernel.
    """

    def __init__(self, *, dropout: float = 0.0, fused: bool = True) -> None:
        super().__init__()
        self.dropout, self.fused = dropout, fused

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        if self.fused:
            return F.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, dropout_p=dropout, is_causal=causal
            )
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        return F.dropout(weights(scores, mask, causal), dropout) @ value


class Additive(nn.Module):
    """softmax(vector . tanh(q + k) + mask) v, with a learned vector in each head. It holds `size` numbers for every
    pair of places while it works. Arguments as in `Dot`."""

    def __init__(self, *, heads: int, size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.vector = nn.Parameter(nn.init.normal_(torch.empty(heads, size), std=size**-0.5))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        pairs = (query[..., :, None, :] + key[..., None, :, :]).tanh()  # (B, heads, T, S, size)
        scores = (pairs.flatten(2, 3) @ self.vector[..., None]).view(pairs.shape[:-1])
        return F.dropout(weights(scores, mask, causal), self.dropout, self.training) @ value


def weights(scores: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """(B, heads, T, S) -> the same, adding up to 1 over S."""
    if causal:
        mask = scores.new_ones(scores.shape[-2:], dtype=torch.bool).tril()
    if mask is None:
        return scores.softmax(dim=-1)
    if mask.dtype is torch.bool:
        return scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)
    return (scores + mask).softmax(dim=-1)
