"""Times as vectors: sines and cosines of falling frequencies, as Ho et al. 2020 have them after Vaswani et al. 2017."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LONGEST = 10_000.0


class Sinusoids(nn.Module):
    """Times (B,), from 0 to 1000, to vectors (B, size); `size` is even and at least 4."""

    def __init__(self, size: int) -> None:
        super().__init__()
        half = size // 2
        frequencies = torch.exp(-math.log(LONGEST) / (half - 1) * torch.arange(half))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, times: Tensor) -> Tensor:
        angles = times[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)
