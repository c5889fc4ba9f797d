"""Gated recurrent unit: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical
Machine Translation".

Differs from the paper: torch's variant of the candidate state, in which the reset gate acts after the recurrent
product.
"""

from __future__ import annotations

import torch
from torch import nn

from .fused import FusedLayer


class GRULayer(FusedLayer):
    """(B, T, features), state -> (B, T, width), state; the state is (hidden,)."""

    def __init__(self, features: int, width: int, *, weight_drop: float = 0.0) -> None:
        super().__init__(nn.GRU(features, width, batch_first=True), function=torch.gru, weight_drop=weight_drop)
