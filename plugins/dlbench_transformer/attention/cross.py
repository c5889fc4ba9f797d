"""Attention of one sequence on another: full, in several heads.

Vaswani et al. 2017, "Attention Is All You Need", section 3.2.3.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..mixing import PLAIN, Mixing
from .choose import scoring

Memory = tuple[Tensor, Tensor]
"""Keys and values of the source, each (B, heads, S, size)."""


class CrossAttention(nn.Module):
    """Queries (B, T, width) on a source (B, S, width) -> (B, T, width). Of the options `score` and `fused` act here."""

    def __init__(self, *, width: int, heads: int, dropout: float = 0.0, mixing: Mixing = PLAIN) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.score = scoring(mixing, heads=heads, size=self.size, dropout=dropout)

    def remember(self, source: Tensor) -> Memory:
        """What all places of a decoder share."""
        batch, length, _ = source.shape
        pair = self.key_value(source).view(batch, length, 2, self.heads, self.size)
        key, value = (part.transpose(1, 2) for part in pair.unbind(2))
        return key, value

    def forward(self, x: Tensor, memory: Memory, mask: Tensor | None = None) -> Tensor:
        """`mask` (B, 1, 1, S), true where the source is no padding; None where it has none."""
        batch, length, width = x.shape
        query = self.query(x).view(batch, length, self.heads, self.size).transpose(1, 2)
        return self.out(self.score(query, *memory, mask).transpose(1, 2).reshape(batch, length, width))
