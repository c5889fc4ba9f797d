"""The decoder of an encoder-decoder Transformer.

Vaswani et al. 2017, "Attention Is All You Need". Differs from it by default: the normalisation stands before each
sublayer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .attention.cross import CrossAttention, Memory
from .attention.heads import Places, SelfAttention
from .block import feed_forward
from .mixing import PLAIN, Mixing
from .positions.rotary import Turn, turn_at


class DecoderBlock(nn.Module):
    """Causal self-attention, attention on the source, a feed-forward part. `norm` is "pre" or "post"."""

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        feed: int,
        dropout: float = 0.0,
        norm: str = "pre",
        activation: str = "relu",
        mixing: Mixing = PLAIN,
    ) -> None:
        super().__init__()
        self.before = norm == "pre"
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention = SelfAttention(width=width, heads=heads, dropout=dropout, causal=True, mixing=mixing)
        self.cross = CrossAttention(width=width, heads=heads, dropout=dropout, mixing=mixing)
        self.feed = feed_forward(width, feed, activation=activation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, places: Places, memory: Memory, mask: Tensor | None) -> Tensor:
        """(B, U, width) -> (B, U, width); `memory` and `mask` as in `CrossAttention`."""
        return self._rest(self._added(x, self.attention(self._ready(x, 0), places), 0), memory, mask)

    def step(self, x: Tensor, cache: Any, turn: Turn | None, memory: Memory, mask: Tensor | None) -> tuple[Tensor, Any]:
        """One more place, x (N, 1, width)."""
        mixed, cache = self.attention.step(self._ready(x, 0), cache, turn)
        return self._rest(self._added(x, mixed, 0), memory, mask), cache

    def _rest(self, x: Tensor, memory: Memory, mask: Tensor | None) -> Tensor:
        x = self._added(x, self.cross(self._ready(x, 1), memory, mask), 1)
        return self._added(x, self.feed(self._ready(x, 2)), 2)

    def _ready(self, x: Tensor, sublayer: int) -> Tensor:
        return self.norms[sublayer](x) if self.before else x

    def _added(self, x: Tensor, change: Tensor, sublayer: int) -> Tensor:
        x = x + self.dropout(change)
        return x if self.before else self.norms[sublayer](x)


class Decoder(nn.Module):
    """(B, U, width) on a source (B, S, width) -> (B, U, width), causal. Options as in `DecoderBlock`."""

    def __init__(
        self, *, width: int, depth: int, heads: int, norm: str = "pre", mixing: Mixing, **options: Any
    ) -> None:
        super().__init__()
        self.rotary, self.size, self.heads = mixing.positions == "rotary", width // heads, heads
        self.blocks = nn.ModuleList(
            DecoderBlock(width=width, heads=heads, norm=norm, mixing=mixing, **options) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width) if norm == "pre" else nn.Identity()

    def forward(self, x: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        length = x.shape[1]
        prepared = self.blocks[0].attention.form.prepare(length, None, x) if self.blocks else None
        places = Places(prepared, self.turn(torch.arange(length, device=x.device)))
        for block in self.blocks:
            x = block(x, places, block.cross.remember(source), mask)
        return self.norm(x)

    def start(self, source: Tensor, mask: Tensor | None) -> dict[str, Any]:
        """The state before the first place: nothing seen yet of the target, the source's keys and values made."""
        empty = source.new_zeros(len(source), self.heads, 0, self.size)
        turn = self.turn(torch.arange(0, device=source.device))
        return {
            "caches": [block.attention.form.start(empty, empty, block.attention.inner(turn)) for block in self.blocks],
            "memories": [block.cross.remember(source) for block in self.blocks],
            "mask": mask,
        }

    def step(self, x: Tensor, place: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """One more place, x (N, 1, width), that is the `place`-th (N,) from 0."""
        turn = self.turn(place[:, None, None])
        caches = []
        for block, cache, memory in zip(self.blocks, state["caches"], state["memories"], strict=True):
            x, cache = block.step(x, cache, turn, memory, state["mask"])
            caches.append(cache)
        return self.norm(x), {**state, "caches": caches}

    def turn(self, places: Tensor) -> Turn | None:
        return turn_at(places, self.size) if self.rotary else None
