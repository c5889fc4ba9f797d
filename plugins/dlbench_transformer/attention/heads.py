"""Multi-head self-attention in any form.

Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from ..mixing import PLAIN, Mixing
from ..positions.rotary import Turn, rotate
from .choose import self_attention_form


class Places(NamedTuple):
    """What all layers of a pass share: the form's mask, and the turn of rotary positions."""

    mask: Tensor | None = None
    turn: Turn | None = None


ALONE = Places()


class SelfAttention(nn.Module):
    """(B, T, width) -> (B, T, width). Raises ValueError where `heads` does not divide `width`."""

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        dropout: float = 0.0,
        causal: bool = False,
        bias: bool = True,
        mixing: Mixing = PLAIN,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not divisible by {heads} heads")
        self.heads, self.size = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)
        self.form = self_attention_form(mixing, heads=heads, size=self.size, dropout=dropout, causal=causal)

    def forward(self, x: Tensor, places: Places = ALONE) -> Tensor:
        query, key, value = self.split(x, places.turn)
        return self.join(self.form(query, key, value, places.mask, self.inner(places.turn)))

    def start(self, x: Tensor, places: Places) -> tuple[Tensor, Any]:
        """Also what the places after these need to know of them."""
        query, key, value = self.split(x, places.turn)
        turn = self.inner(places.turn)
        cache = self.form.start(key, value, turn)
        if x.shape[1] == 0:
            return x, cache
        return self.join(self.form(query, key, value, places.mask, turn)), cache

    def step(self, x: Tensor, cache: Any, turn: Turn | None) -> tuple[Tensor, Any]:
        """One more place, x (N, 1, width)."""
        query, key, value = self.split(x, turn)
        mixed, cache = self.form.step(query, key, value, cache, self.inner(turn))
        return self.join(mixed), cache

    def split(self, x: Tensor, turn: Turn | None) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value, each (B, heads, T, size)."""
        batch, length, _ = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, self.size)
        query, key, value = (part.transpose(1, 2) for part in qkv.unbind(2))
        if turn is not None and not self.form.rotates:
            query, key = rotate(query, turn), rotate(key, turn)
        return query, key, value

    def inner(self, turn: Turn | None) -> Turn | None:
        """What is left for the form to turn by itself."""
        return turn if self.form.rotates else None

    def join(self, mixed: Tensor) -> Tensor:
        """(B, heads, T, size) -> (B, T, width)."""
        batch, _, length, _ = mixed.shape
        return self.out(mixed.transpose(1, 2).reshape(batch, length, self.heads * self.size))
