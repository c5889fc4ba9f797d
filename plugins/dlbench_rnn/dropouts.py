"""Two dropouts of language models: Gal and Ghahramani 2016, "A Theoretically Grounded Application of Dropout in
Recurrent Neural Networks", as Merity, Keskar and Socher 2018 use them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class LockedDropout(nn.Module):
    """Drops the same units at all places of a row. (B, T, D) -> (B, T, D)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.share:
            return x
        return x * F.dropout(x.new_ones(len(x), 1, x.shape[-1]), self.share)


class WordDropout(nn.Module):
    """Drops whole words: a word that is dropped is dropped wherever it stands in the batch.

    Takes embedded tokens (B, T, D) and their ids (B, T)."""

    def __init__(self, share: float, *, vocab: int) -> None:
        super().__init__()
        self.share, self.vocab = share, vocab

    def forward(self, x: Tensor, ids: Tensor) -> Tensor:
        if not self.training or not self.share:
            return x
        kept = F.dropout(x.new_ones(self.vocab), self.share)  # (vocab,)
        return x * kept[ids].unsqueeze(-1)
