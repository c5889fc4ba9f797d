"""Input ends: what the first layer reads of tokens, and of a series."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .characters import CharacterCNN
from .dropouts import WordDropout


class Words(nn.Module):
    """Tokens -> (B, T, width): their embedding, and with `characters` also what a CNN reads in their spelling, in
    `inputs.characters` (B, T, W). `dropout` is the share of words that training drops whole. `context`: each place
    also sees so many words on either side, zeros beyond the ends, as in Mesnil et al. 2013, "Investigation of
    Recurrent-Neural-Network Architectures and Learning Methods for Spoken Language Understanding"."""

    def __init__(
        self, vocab: int, embedding: int, *, characters: int = 0, dropout: float = 0.0, context: int = 0
    ) -> None:
        super().__init__()
        self.context = context
        self.embedding = nn.Embedding(vocab, embedding)
        self.word_dropout = WordDropout(dropout, vocab=vocab)
        self.spelling = CharacterCNN(characters=characters) if characters else None
        self.width = (embedding + (self.spelling.maps if self.spelling else 0)) * (2 * context + 1)

    def embed(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, embedding)."""
        return self.word_dropout(self.embedding(ids), ids)

    def forward(self, inputs: Any) -> Tensor:
        x = self.embed(inputs.ids)
        x = x if self.spelling is None else torch.cat([x, self.spelling(inputs.characters)], -1)
        return self.surrounded(x, inputs.lengths) if self.context else x

    def surrounded(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """(B, T, D) -> (B, T, (2 context + 1) D): each place between its neighbours."""
        length = x.shape[1]
        if lengths is not None:
            within = torch.arange(length, device=x.device) < lengths[:, None]
            x = x * within[..., None]  # a neighbour in the padding is none
        padded = F.pad(x, (0, 0, self.context, self.context))
        return torch.cat([padded[:, shift : shift + length] for shift in range(2 * self.context + 1)], -1)


class Numbers(nn.Module):
    """A series -> its numbers as they are, (B, T, width)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.width = features

    def forward(self, inputs: Any) -> Tensor:
        return inputs.values
