"""Full attention: every place sees every other, or every earlier one.

Vaswani et al. 2017, "Attention Is All You Need".
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..positions.alibi import alibi_bias
from ..positions.rotary import Turn


class Full(nn.Module):
    """The interface of all forms, where query, key and value are (B, heads, T, size):

    `prepare(length, lengths, like)` makes once per pass what all layers use as `mask`, or None. `lengths` (B,) or None
    says where padding begins; causal forms need not know it, as padding stands at the end.
    `forward(query, key, value, mask, turn)` -> (B, heads, T, size); `turn` is that of rotary positions, or None, and
    forms with `rotates` apply it themselves: to all others queries and keys come turned.
    `start(key, value, turn)` -> cache; `step(query, key, value, cache, turn)` -> (B, heads, 1, size), cache: one more
    place.

    `score`: a `Dot` or an `Additive`. `slopes` (heads,): those of ALiBi, or None.
    """

    rotates = False

    def __init__(self, score: nn.Module, *, causal: bool = False, slopes: Tensor | None = None) -> None:
        super().__init__()
        self.score, self.causal = score, causal
        self.register_buffer("slopes", slopes, persistent=False)

    def prepare(self, length: int, lengths: Tensor | None, like: Tensor) -> Tensor | None:
        places = torch.arange(length, device=like.device)
        padded = lengths is not None and not self.causal
        seen = (places < lengths[:, None])[:, None, None] if padded else None  # type: ignore[index]  # (B, 1, 1, T)
        if self.slopes is None:
            return seen
        distance = places[:, None] - places  # (T, T)
        bias = alibi_bias(self.slopes, distance).to(like.dtype)[None]  # (1, heads, T, T)
        if self.causal:
            return bias.masked_fill(distance < 0, float("-inf"))
        return bias if seen is None else bias.masked_fill(~seen, float("-inf"))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, turn: Turn | None = None
    ) -> Tensor:
        return self.score(query, key, value, mask, self.causal and mask is None)

    def start(self, key: Tensor, value: Tensor, turn: Turn | None = None) -> Any:
        return key, value

    def step(
        self, query: Tensor, key: Tensor, value: Tensor, cache: Any, turn: Turn | None = None
    ) -> tuple[Tensor, Any]:
        key, value = torch.cat([cache[0], key], dim=2), torch.cat([cache[1], value], dim=2)
        return self.look_back(query, key, value), (key, value)

    def look_back(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """The newest place's query (N, heads, 1, size) on all keys at hand, of which the last is its own."""
        bias = None
        if self.slopes is not None:
            distance = torch.arange(key.shape[2] - 1, -1, -1, device=key.device)
            bias = alibi_bias(self.slopes, distance).to(query.dtype)[None, :, None]  # (1, heads, 1, S)
        return self.score(query, key, value, bias)
