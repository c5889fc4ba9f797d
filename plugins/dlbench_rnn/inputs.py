"""Input ends: what the first layer reads of tokens, and of a series."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .characters import CharacterCNN
from .dropouts import WordDropout


class Words(nn.Module):
    """Tokens -> (B, T, width): their embedding, and with `characters` also what a CNN reads in their spelling, in
    `inputs.characters` (B, T, W). `dropout` is the share of words that training drops whole."""

    def __init__(self, vocab: int, embedding: int, *, characters: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab, embedding)
        self.word_dropout = WordDropout(dropout, vocab=vocab)
        self.spelling = CharacterCNN(characters=characters) if characters else None
        self.width = embedding + (self.spelling.maps if self.spelling else 0)

    def embed(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, embedding)."""
        return self.word_dropout(self.embedding(ids), ids)

    def forward(self, inputs: Any) -> Tensor:
        x = self.embed(inputs.ids)
        return x if self.spelling is None else torch.cat([x, self.spelling(inputs.characters)], -1)


class Numbers(nn.Module):
    """A series -> its numbers as they are, (B, T, width)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.width = features

    def forward(self, inputs: Any) -> Tensor:
        return inputs.values
