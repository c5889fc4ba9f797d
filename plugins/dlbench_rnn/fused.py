"""What the layers that torch runs in one call share: its CPU kernels, and cuDNN on a GPU.

A layer maps (B, T, features) and a state to (B, T, width) and the state after the last place. A state is a tuple of
tensors (B, width), so that whoever carries or reorders it finds the batch first in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .weight_drop import drop_weights

State = tuple[Tensor, ...]


class FusedLayer(nn.Module):
    """One layer of `cells`, an `nn.RNN`, `nn.GRU` or `nn.LSTM` with `batch_first`.

    `weight_drop` is the share of hidden-to-hidden weights that training leaves out, one draw per call. `function` is
    the torch function behind `cells`; only a layer that drops weights calls it.
    """

    def __init__(self, cells: nn.RNNBase, *, function: Callable[..., Any], weight_drop: float = 0.0) -> None:
        super().__init__()
        self.cells, self.function, self.weight_drop = cells, function, weight_drop
        self.holds_cell = isinstance(cells, nn.LSTM)  # its state is two tensors, the other cells' is one
        self.state_sizes = (cells.hidden_size,) * (2 if self.holds_cell else 1)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """(B, T, features) -> (B, T, width), and the state after place T."""
        if state is None:
            start = tuple(x.new_zeros(1, len(x), size) for size in self.state_sizes)
        else:
            start = tuple(part.unsqueeze(0) for part in state)
        hidden, *end = self._run(x, start)
        return hidden, tuple(part.squeeze(0) for part in end)

    def _run(self, x: Tensor, start: State) -> State:
        """The places (B, T, width), then each part of the end state (1, B, width)."""
        given = start if self.holds_cell else start[0]
        if self.training and self.weight_drop:
            weights = drop_weights(self.cells, self.weight_drop)
            hidden, *end = self.function(x, given, weights, True, 1, 0.0, True, False, True)
            return (hidden, *end)
        hidden, last = self.cells(x, given)
        return (hidden, *last) if self.holds_cell else (hidden, last)
