"""Sinusoidal positions: Vaswani et al. 2017, "Attention Is All You Need", section 3.5.

Differs from the paper: all sines stand before all cosines, and the waves are as high as the tokens' vectors are large.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .unordered import Unordered

LONGEST = 10_000.0  # of the waves, divided by 2 pi


def waves(places: Tensor, width: int) -> Tensor:
    """(...,) places -> (..., width): sines, then cosines, of wavelengths from 2 pi to about 10,000 * 2 pi."""
    half = (width + 1) // 2
    rates = torch.exp(torch.arange(half, device=places.device) * (-math.log(LONGEST) / half))  # (half,)
    angles = places[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[..., :width]


class Sinusoidal(Unordered):
    """x + amplitude * waves."""

    def __init__(self, *, width: int, amplitude: float = 1.0) -> None:
        super().__init__()
        self.width, self.amplitude = width, amplitude

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device)
        return x + self.amplitude * waves(places, self.width)

    def step(self, x: Tensor, place: Tensor, state: Any) -> tuple[Tensor, Any]:
        return x + self.amplitude * waves(place, self.width)[:, None], state
