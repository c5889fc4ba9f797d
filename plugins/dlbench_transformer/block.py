"""The Transformer block of self-attention and a feed-forward part that all models here share.

Vaswani et al. 2017, "Attention Is All You Need". Differs from it by default: the normalisation stands before each
sublayer and the feed-forward part uses GELU, as in GPT-2 and ViT.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .attention.heads import ALONE, Places, SelfAttention
from .mixing import PLAIN, Mixing
from .positions.rotary import Turn


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed(norm(x)); with `norm` = "post" norm(x + attention(x)), then
    norm(x + feed(x)). `feed` is the feed-forward part's inner width, None for four times as wide; `activation` is
    `gelu` or `relu`."""

    def __init__(
        self,
        *,
        width: int,
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
        self.before = norm == "pre"
        self.attention_norm = nn.LayerNorm(width, bias=bias)
        self.attention = SelfAttention(
            width=width, heads=heads, dropout=dropout, causal=causal, bias=bias, mixing=mixing
        )
        self.feed_norm = nn.LayerNorm(width, bias=bias)
        self.feed = feed_forward(width, feed or 4 * width, activation=activation, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, places: Places = ALONE) -> Tensor:
        """(B, T, width) -> (B, T, width)."""
        return self.fed(self._added(x, self.attention(self.attention_norm(x) if self.before else x, places)))

    def start(self, x: Tensor, places: Places) -> tuple[Tensor, Any]:
        """`forward`, and the attention's cache."""
        mixed, cache = self.attention.start(self.attention_norm(x) if self.before else x, places)
        return self.fed(self._added(x, mixed)), cache

    def step(self, x: Tensor, cache: Any, turn: Turn | None) -> tuple[Tensor, Any]:
        """One more place, x (N, 1, width)."""
        mixed, cache = self.attention.step(self.attention_norm(x) if self.before else x, cache, turn)
        return self.fed(self._added(x, mixed)), cache

    def _added(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = x + self.dropout(mixed)
        return x if self.before else self.attention_norm(x)

    def fed(self, x: Tensor) -> Tensor:
        """The second sublayer."""
        if self.before:
            return x + self.dropout(self.feed(self.feed_norm(x)))
        return self.feed_norm(x + self.dropout(self.feed(x)))

    def residual_weights(self) -> list[Tensor]:
        """The weights that write into the residual stream."""
        return [self.attention.out.weight, self.feed[2].weight]


def feed_forward(width: int, inner: int, *, activation: str = "gelu", bias: bool = True) -> nn.Sequential:
    """Two linear layers, for each place alone."""
    between = {"gelu": nn.GELU, "relu": nn.ReLU}[activation]()
    return nn.Sequential(nn.Linear(width, inner, bias=bias), between, nn.Linear(inner, width, bias=bias))
