"""A Transformer encoder for sequences: for one answer each, or one at every place.

Vaswani et al. 2017, "Attention Is All You Need". Differs from the paper: no decoder, the normalisation stands before
each sublayer (Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture"), and GELU.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .entry import Entry, values_of
from .initial import SPREAD, spread
from .mixing import Mixing
from .pool import pool as pooled
from .stack import Stack

WAVES = Mixing(positions="sinusoidal")


class Encoder(nn.Module):
    """Tokens or a series -> logits (B, num_classes), or (B, T, num_classes) without `per_sequence`; with `num_classes`
    None one number for each sequence, (B,). Every place sees all others but padding.

    `inputs` has `.ids` (B, T) int64 where `vocab` is given, or `.values` (B, T, features) where `features` is, and
    `.lengths` (B,) or None. `pool`: `mean`, `max`, `first` or `last` of the valid places.
    """

    def __init__(
        self,
        *,
        vocab: int | None = None,
        features: int | None = None,
        num_classes: int | None,
        per_sequence: bool = True,
        pool: str = "mean",
        max_length: int = 256,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        mixing: Mixing = WAVES,
    ) -> None:
        super().__init__()
        self.per_sequence, self.pool, self.scalar = per_sequence, pool, num_classes is None
        self.entry = Entry(
            vocab=vocab, features=features, width=width, positions=mixing.positions, max_length=max_length, std=SPREAD,
            dropout=dropout,
        )  # fmt: skip
        self.stack = Stack(width=width, depth=depth, heads=heads, dropout=dropout, mixing=mixing)
        self.head = nn.Linear(width, num_classes or 1)
        spread(self.entry.embed, self.stack)

    def forward(self, inputs: Any) -> Tensor:
        x = self.stack(self.entry(values_of(inputs)), inputs.lengths)  # (B, T, width)
        out = self.head(pooled(x, inputs.lengths, self.pool) if self.per_sequence else x)
        return out.squeeze(-1) if self.scalar else out
