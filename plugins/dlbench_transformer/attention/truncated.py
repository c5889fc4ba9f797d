"""Truncated attention: every place sees those at most `window` places away.

Yeh et al. 2019, "Transformer-Transducer: End-to-End Speech Recognition with Self-Attention".
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..positions.alibi import alibi_bias
from ..positions.rotary import Turn
from .full import Full

SMALLEST_BLOCK = 16


class Truncated(Full):
    """In a causal model a window reaches to the left only. A window that reaches everywhere is full attention.

    Queries come in blocks of at least `window` places, and each block meets its own keys and those of the blocks beside
    it: time and memory grow with T * window.
    """

    def __init__(self, score: nn.Module, *, window: int, causal: bool = False, slopes: Tensor | None = None) -> None:
        super().__init__(score, causal=causal, slopes=slopes)
        self.window, self.block = window, max(window, SMALLEST_BLOCK)

    def prepare(self, length: int, lengths: Tensor | None, like: Tensor) -> Tensor | None:
        """Bool (B * blocks, 1, block, span), or float (B * blocks, heads, block, span) with ALiBi."""
        if self.window >= length - 1:
            return super().prepare(length, lengths, like)
        return self.band(length, lengths, like)

    def band(self, length: int, lengths: Tensor | None, like: Tensor) -> Tensor:
        block, device = self.block, like.device
        columns = torch.arange(-block, block if self.causal else 2 * block, device=device)  # (span,)
        distance = torch.arange(block, device=device)[:, None] - columns  # (block, span)
        near = distance.abs() <= self.window
        if self.causal:
            near &= distance >= 0
        keys = torch.arange(0, length, block, device=device)[:, None] + columns  # (blocks, span)
        padded = lengths is not None and not self.causal
        end = lengths[:, None, None] if padded else length  # type: ignore[index]
        there = (keys >= 0) & (keys < end)  # (blocks, span) or (B, blocks, span)
        there = there.expand(like.shape[0], *there.shape[-2:]).flatten(0, 1)  # (B * blocks, span)
        seen = near & there[:, None] | (distance == 0)  # padding sees itself, so that no place sees nothing
        if self.slopes is None:
            return seen[:, None]
        bias = alibi_bias(self.slopes, distance).to(like.dtype)
        return bias.masked_fill(~seen[:, None], float("-inf"))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, turn: Turn | None = None
    ) -> Tensor:
        if self.window >= query.shape[2] - 1:
            return super().forward(query, key, value, mask)
        return self.blockwise(query, key, value, mask)

    def blockwise(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        batch, heads, length, size = query.shape
        rest = -length % self.block
        queries = F.pad(query, (0, 0, 0, rest)).unflatten(2, (-1, self.block))  # (B, heads, blocks, block, size)
        queries = queries.transpose(1, 2).reshape(-1, heads, self.block, size)
        mixed = self.score(queries, self.spans(key, rest), self.spans(value, rest), mask)
        return mixed.view(batch, -1, heads, self.block, size).transpose(1, 2).flatten(2, 3)[:, :, :length]

    def spans(self, x: Tensor, rest: int) -> Tensor:
        """(B, heads, T, size) -> (B * blocks, heads, span, size): a block and those beside it."""
        after = 0 if self.causal else self.block
        span = self.block * (2 if self.causal else 3)
        windows = F.pad(x, (0, 0, self.block, rest + after)).unfold(2, span, self.block)
        return windows.permute(0, 2, 1, 4, 3).flatten(0, 1)  # from (B, heads, blocks, size, span)

    def start(self, key: Tensor, value: Tensor, turn: Turn | None = None) -> Any:
        first = max(key.shape[2] - self.window, 0)
        return key[:, :, first:], value[:, :, first:]

    def step(
        self, query: Tensor, key: Tensor, value: Tensor, cache: Any, turn: Turn | None = None
    ) -> tuple[Tensor, Any]:
        mixed, cache = super().step(query, key, value, cache)
        return mixed, self.start(*cache)
