"""Words by their spelling, with a convolution over characters: Santos and Zadrozny 2014, "Learning Character-level
Representations for Part-of-Speech Tagging"; in the size of Ma and Hovy 2016, "End-to-end Sequence Labeling via
Bi-directional LSTM-CNNs-CRF"."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .over_time import max_over_time


class CharacterCNN(nn.Module):
    """Spelling (B, T, W) int64, filled up with 0 -> (B, T, maps): the largest answer of each map over a word."""

    def __init__(self, *, characters: int, embedding: int = 30, maps: int = 50, kernel: int = 3) -> None:
        super().__init__()
        self.kernel, self.maps = kernel, maps
        self.embedding = nn.Embedding(characters, embedding, padding_idx=0)
        nn.init.uniform_(self.embedding.weight, -((3 / embedding) ** 0.5), (3 / embedding) ** 0.5)
        with torch.no_grad():
            self.embedding.weight[0] = 0.0
        self.convolution = nn.Conv1d(embedding, maps, kernel, padding=kernel - 1)

    def forward(self, spelling: Tensor) -> Tensor:
        words = spelling.flatten(0, 1)  # (N, W)
        x = self.embedding(words).transpose(1, 2)  # (N, embedding, W), 0 where a word has ended
        x = max_over_time(self.convolution(x), (words != 0).sum(1), self.kernel)
        return x.view(*spelling.shape[:2], -1)
