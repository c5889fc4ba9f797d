"""BERT: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding".

Differs from the paper: far smaller, one text at a time (no segments, no next-sentence task), and the normalisation
stands before each sublayer, so that it trains without a warm-up.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .entry import Entry
from .initial import SMALL, small_normal
from .mixing import PLAIN, Mixing
from .stack import Stack

EXTRA = 2  # tokens of its own, after the task's: [CLS], then [MASK]


class BERT(nn.Module):
    """Ids (B, T) -> vectors (B, 1 + T, width): the first stands for the whole text. Every place sees all others but
    padding. The embedding has two more tokens than `vocab`; `mask_token` is the id of the second."""

    def __init__(
        self,
        *,
        vocab: int,
        max_length: int = 256,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        mixing: Mixing = PLAIN,
    ) -> None:
        super().__init__()
        self.class_token, self.mask_token = vocab, vocab + 1
        self.entry = Entry(
            vocab=vocab + EXTRA, width=width, positions=mixing.positions, max_length=1 + max_length, std=SMALL,
            dropout=dropout,
        )  # fmt: skip
        self.stack = Stack(width=width, depth=depth, heads=heads, dropout=dropout, mixing=mixing)
        small_normal(self.entry.embed, self.stack)

    def forward(self, ids: Tensor, lengths: Tensor | None) -> Tensor:
        ids = F.pad(ids, (1, 0), value=self.class_token)
        return self.stack(self.entry(ids), None if lengths is None else lengths + 1)


class TokenHead(nn.Module):
    """Vectors (..., width) -> logits (..., vocab), with the embedding's own weights: those of its first tokens."""

    def __init__(self, *, width: int, vocab: int) -> None:
        super().__init__()
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(vocab))
        small_normal(self.transform)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return F.linear(self.transform(x), embedding[: len(self.bias)], self.bias)


class MaskedBERT(nn.Module):
    """Tokens of which some are masked -> logits (B, T, target_vocab) for what stood at each place.

    `inputs` has `.ids` (B, T) and `.lengths` (B,) or None. `target_vocab` are the first tokens of `vocab`, that may
    hold a mask token besides.
    """

    def __init__(self, *, vocab: int, target_vocab: int, **options: Any) -> None:
        super().__init__()
        self.bert = BERT(vocab=vocab, **options)
        self.head = TokenHead(width=self.bert.entry.embed.embedding_dim, vocab=target_vocab)

    def forward(self, inputs: Any) -> Tensor:
        x = self.bert(inputs.ids, inputs.lengths)
        return self.head(x[:, 1:], self.bert.entry.embed.weight)
