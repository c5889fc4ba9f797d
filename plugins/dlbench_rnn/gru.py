"""Gated recurrent unit: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical
Machine Translation".

Differs from the paper: one network with a linear output in place of an encoder and a decoder, and torch's variant of
the candidate state, in which the reset gate acts after the recurrent product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class GRU(nn.Module):
    """Tokens -> logits: (B, T, num_classes), or (B, num_classes) of the last valid place with `per_sequence`.

    `inputs` has `.ids` (B, T) int64 and `.lengths` (B,) int64 of at least 1, or None. Called with a state as second
    argument, (depth, B, width) or None at a start, it returns `(outputs, state)`. That state is the one after the last
    of the T places, padded or not: a sequence that is to go on fills its segment.
    """

    def __init__(
        self,
        *,
        vocab: int,
        num_classes: int,
        per_sequence: bool = False,
        width: int = 128,
        depth: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.per_sequence = per_sequence
        self.embedding = nn.Embedding(vocab, width)
        self.dropout = nn.Dropout(dropout)
        self.cells = nn.GRU(width, width, depth, batch_first=True, dropout=dropout if depth > 1 else 0.0)
        self.head = nn.Linear(width, num_classes)

    def forward(self, inputs: Any, *state: Tensor | None) -> Any:
        x = self.dropout(self.embedding(inputs.ids))  # (B, T, width)
        hidden, last = self.cells(x, state[0] if state else None)  # (B, T, width), (depth, B, width)
        if self.per_sequence:
            hidden = _last_valid(hidden, inputs.lengths)  # (B, width)
        outputs = self.head(self.dropout(hidden))
        return (outputs, last) if state else outputs


def _last_valid(hidden: Tensor, lengths: Tensor | None) -> Tensor:
    """(B, T, width) -> (B, width): the top layer's state at the last place that is no padding."""
    if lengths is None:
        return hidden[:, -1]
    return hidden[torch.arange(len(hidden), device=hidden.device), lengths - 1]
