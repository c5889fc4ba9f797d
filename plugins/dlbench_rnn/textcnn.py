"""Convolutional network for sentences: Kim 2014, "Convolutional Neural Networks for Sentence Classification", the form
that starts from random word vectors.

Differs from the paper: word vectors of 64 numbers in place of 300, as nothing pre-trained fixes their size. The
paper's limit on the norm of the classifier's rows is kept in the forward pass, not by changing weights after a step.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .over_time import max_over_time

KERNELS = (3, 4, 5)
EMBEDDING_INIT = 0.25  # as in the paper's code, for words without a pre-trained vector


class TextCNN(nn.Module):
    """Tokens -> logits (B, num_classes).

    `width` is the number of feature maps of each of the three kernels. `max_norm`: no row of the classifier's weights
    is longer than this; None sets no limit. `inputs` has `.ids` (B, T) and `.lengths` (B,) of at least 1, or None.
    """

    def __init__(
        self,
        *,
        vocab: int,
        num_classes: int,
        width: int = 100,
        embedding: int = 64,
        dropout: float = 0.5,
        max_norm: float | None = 3.0,
    ) -> None:
        super().__init__()
        self.max_norm = max_norm
        self.embedding = nn.Embedding(vocab, embedding)
        nn.init.uniform_(self.embedding.weight, -EMBEDDING_INIT, EMBEDDING_INIT)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding, width, size, padding=size - 1) for size in KERNELS)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width * len(KERNELS), num_classes)

    def forward(self, inputs: Any) -> Tensor:
        x, lengths = self.embedding(inputs.ids), inputs.lengths  # (B, T, embedding)
        if lengths is not None:
            padding = torch.arange(x.shape[1], device=x.device) >= lengths.unsqueeze(1)  # (B, T)
            x = x.masked_fill(padding.unsqueeze(-1), 0.0)
        x = x.transpose(1, 2)
        maps = [
            max_over_time(convolution(x), lengths, size).relu()  # as relu never changes which is largest
            for convolution, size in zip(self.convolutions, KERNELS, strict=True)
        ]
        x = self.dropout(torch.cat(maps, 1))  # (B, 3 width)
        return F.linear(x, self._head_weight(), self.head.bias)

    def _head_weight(self) -> Tensor:
        """(num_classes, 3 width) with rows no longer than `max_norm`."""
        weight = self.head.weight
        if self.max_norm is None:
            return weight
        return weight * (self.max_norm / weight.norm(dim=1, keepdim=True).clamp(min=self.max_norm))
