"""Learned positions: a table of one vector per place.

Gehring et al. 2017, "Convolutional Sequence to Sequence Learning"; used by GPT and BERT.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .unordered import Unordered


class Learned(Unordered):
    """x + table. More than `max_length` places raise ValueError."""

    def __init__(self, *, width: int, max_length: int, std: float = 1.0) -> None:
        super().__init__()
        self.max_length = max_length
        self.table = nn.Parameter(nn.init.normal_(torch.empty(max_length, width), std=std))

    def forward(self, x: Tensor) -> Tensor:
        self._check(x.shape[1])
        return x + self.table[: x.shape[1]]

    def step(self, x: Tensor, place: Tensor, state: Any) -> tuple[Tensor, Any]:
        self._check(int(place.max()) + 1)
        return x + self.table[place][:, None], state

    def _check(self, length: int) -> None:
        if length > self.max_length:
            raise ValueError(f"a sequence of {length} tokens is longer than the limit of {self.max_length}")
