"""LSTM with peepholes: Gers and Schmidhuber 2000, "Recurrent Nets that Time and Count".

The gates also see the cell: input and forget gate as it was, the output gate as it is now, each unit its own cell only.
With peepholes of 0 this is the LSTM. Differs from the paper: the gradient flows through all of it, not truncated.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .fused import State


class PeepholeLayer(nn.Module):
    """(B, T, features), state -> (B, T, width), state; the state is (hidden, cell).

    Weights lie as in `nn.LSTM`: input, forget, cell, output. There is one bias, where torch adds up two. `forget_bias`
    is where the forget gate's starts; None leaves it as it was drawn.
    """

    def __init__(self, features: int, width: int, *, forget_bias: float | None = 1.0) -> None:
        super().__init__()
        self.width, self.forget_bias = width, forget_bias
        self.state_sizes = (width, width)
        self.input_weight = nn.Parameter(torch.empty(4 * width, features))
        self.hidden_weight = nn.Parameter(torch.empty(4 * width, width))
        self.bias = nn.Parameter(torch.empty(4 * width))
        self.peepholes = nn.Parameter(torch.empty(3, width))  # input, forget, output
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(width**-0.5), width**-0.5)
        self.reset_forget_gate()

    def reset_forget_gate(self) -> None:
        if self.forget_bias is not None:
            with torch.no_grad():
                self.bias[self.width : 2 * self.width] = self.forget_bias

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """(B, T, features) -> (B, T, width), and the state after place T."""
        hidden, cell = state or (x.new_zeros(len(x), self.width),) * 2
        # The input's share of all gates at all places is one product; time first, so that each place is one block.
        shares = F.linear(x.transpose(0, 1), self.input_weight, self.bias)  # (T, B, 4 width)
        recurrent = self.hidden_weight.t()
        before, after = self.peepholes[:2], self.peepholes[2]
        places = []
        for share in shares.unbind(0):
            gates = torch.addmm(share, hidden, recurrent).view(-1, 4, self.width)
            admit, forget = torch.addcmul(gates[:, :2], before, cell.unsqueeze(1)).sigmoid().unbind(1)
            cell = torch.addcmul(forget * cell, admit, gates[:, 2].tanh())
            hidden = torch.addcmul(gates[:, 3], after, cell).sigmoid() * cell.tanh()
            places.append(hidden)
        return torch.stack(places, 1), (hidden, cell)
