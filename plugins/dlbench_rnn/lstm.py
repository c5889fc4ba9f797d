"""Long short-term memory: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory", with the forget gate of Gers,
Schmidhuber and Cummins 2000, "Learning to Forget: Continual Prediction with LSTM".

The forget gate starts open, by a bias of 1: Jozefowicz, Zaremba and Sutskever 2015, "An Empirical Exploration of
Recurrent Network Architectures".
"""

from __future__ import annotations

import torch
from torch import nn

from .fused import FusedLayer


class LSTMLayer(FusedLayer):
    """(B, T, features), state -> (B, T, width), state; the state is (hidden, cell).

    `forget_bias` is where the forget gate's bias starts; None leaves it as it was drawn.
    """

    def __init__(self, features: int, width: int, *, forget_bias: float | None = 1.0, weight_drop: float = 0.0) -> None:
        super().__init__(nn.LSTM(features, width, batch_first=True), function=torch.lstm, weight_drop=weight_drop)
        self.forget_bias = forget_bias
        self.reset_forget_gate()

    def reset_forget_gate(self) -> None:
        """Set the bias. Torch adds up two bias vectors: one gets all of it, the other 0."""
        if self.forget_bias is None:
            return
        width = self.cells.hidden_size
        forget = slice(width, 2 * width)  # torch's order: input, forget, cell, output
        with torch.no_grad():
            self.cells.bias_ih_l0[forget] = self.forget_bias
            self.cells.bias_hh_l0[forget] = 0.0
