"""A point: the smallest thing that an optimizer can move."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Point(nn.Module):
    """As many parameters as the space has dimensions; whatever comes in, the point comes out."""

    def __init__(self, *, start: Sequence[float]) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(start, dtype=torch.float32))

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, D) -> (D,)"""
        return self.at
