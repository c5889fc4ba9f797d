"""Blocks on top of each other, and what their attention shares in a pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .attention.heads import Places
from .block import Block
from .mixing import PLAIN, Mixing
from .positions.rotary import Turn, turn_at


class Stack(nn.Module):
    """(B, T, width) -> (B, T, width), normalised. Options as in `Block`."""

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        heads: int,
        feed: int | None = None,
        dropout: float = 0.0,
        causal: bool = False,
        bias: bool = True,
        norm: str = "pre",
        activation: str = "gelu",
        mixing: Mixing = PLAIN,
    ) -> None:
        super().__init__()
        self.rotary = mixing.positions == "rotary"
        self.size = width // heads
        self.blocks = nn.ModuleList(
            Block(
                width=width, heads=heads, feed=feed, dropout=dropout, causal=causal, bias=bias, norm=norm,
                activation=activation, mixing=mixing,
            )
            for _ in range(depth)
        )  # fmt: skip
        self.norm = nn.LayerNorm(width, bias=bias) if norm == "pre" else nn.Identity()

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """`lengths` (B,) or None: where padding begins, which no other place sees."""
        places = self.places(x, lengths)
        for block in self.blocks:
            x = block(x, places)
        return self.norm(x)

    def start(self, x: Tensor) -> tuple[Tensor, Any]:
        """The places of a beginning, T >= 0, and the blocks' caches."""
        places = self.places(x, None) if x.shape[1] else Places(turn=self.turn(torch.arange(0, device=x.device)))
        caches = []
        for block in self.blocks:
            x, cache = block.start(x, places)
            caches.append(cache)
        return self.norm(x), caches

    def step(self, x: Tensor, place: Tensor, caches: Any) -> tuple[Tensor, Any]:
        """One more place, x (N, 1, width), that is the `place`-th (N,) from 0."""
        turn = self.turn(place[:, None, None])
        following = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block.step(x, cache, turn)
            following.append(cache)
        return self.norm(x), following

    def places(self, x: Tensor, lengths: Tensor | None) -> Places:
        if not self.blocks:
            return Places()
        mask = self.blocks[0].attention.form.prepare(x.shape[1], lengths, x)
        return Places(mask, self.turn(torch.arange(x.shape[1], device=x.device)))

    def turn(self, places: Tensor) -> Turn | None:
        return turn_at(places, self.size) if self.rotary else None

    def residual_weights(self) -> list[Tensor]:
        """The weights that write into the residual stream."""
        return [weight for block in self.blocks for weight in block.residual_weights()]
