"""Elman network: Elman 1990, "Finding Structure in Time".

h_t = tanh(W x_t + U h_{t-1} + b). Differs from the paper: tanh in place of the logistic function, and training by
back-propagation through all places of a batch, where the paper's goes back one step.
"""

from __future__ import annotations

import torch
from torch import nn

from .fused import FusedLayer


class ElmanLayer(FusedLayer):
    """(B, T, features), state -> (B, T, width), state; the state is (hidden,)."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__(nn.RNN(features, width, batch_first=True), function=torch.rnn_tanh)
