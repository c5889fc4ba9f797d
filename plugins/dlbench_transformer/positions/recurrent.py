"""Positions from a recurrent network: where a place stands follows from what came before it.

Neishi & Yoshinaga 2019, "On the Relation between Position Information and Sentence Length in Neural Machine
Translation". Differs from the paper: the states are added to the embeddings, and do not replace them.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .unordered import Unordered


class Recurrent(Unordered):
    """x + scale * GRU(x / scale), from left to right in every model: so it is causal, and padding at the end is never
    read. `scale`: the size of the embeddings."""

    def __init__(self, *, width: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.cells = nn.GRU(width, width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.cells(x / self.scale)[0]

    def start(self, x: Tensor) -> tuple[Tensor, Any]:
        if x.shape[1] == 0:
            return x, x.new_zeros(x.shape[0], x.shape[2])
        hidden, last = self.cells(x / self.scale)
        return x + self.scale * hidden, last[0]

    def step(self, x: Tensor, place: Tensor, state: Any) -> tuple[Tensor, Any]:
        hidden, last = self.cells(x / self.scale, state[None].contiguous())
        return x + self.scale * hidden, last[0]
