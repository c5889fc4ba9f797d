"""A residual perceptron for noisy points, which sees them through random Fourier features as well.

Tancik et al. 2020, "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains". Without
such features a perceptron of this size can't tell places apart that lie a hundredth of the data's spread apart.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .embeddings import Sinusoids

FREQUENCY = 0.5  # sd of the features' frequencies, in turns per unit
TIMES = 32


class PointNetwork(nn.Module):
    """Points (B, features), times (B,) from 0 to 1000, and classes int64 (B,) where there are some -> (B, features).

    `width` of each of `depth` layers, `fourier` features each as a sine and a cosine. Raises ValueError for sizes that
    can't be.
    """

    def __init__(
        self, *, features: int, width: int = 128, depth: int = 4, fourier: int = 32, num_classes: int = 0
    ) -> None:
        super().__init__()
        if min(width, depth) < 1 or fourier < 0:
            given = f"{width}, {depth} and {fourier}"
            raise ValueError(f"needs width and depth of at least 1 and fourier of at least 0, not {given}")
        self.register_buffer("turns", 2 * math.pi * FREQUENCY * torch.randn(features, fourier))
        self.times = Sinusoids(TIMES)
        self.classes = nn.Embedding(num_classes, width) if num_classes else None
        self.first = nn.Linear(features + 2 * fourier + TIMES, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.Linear(width, features)

    def forward(self, points: Tensor, times: Tensor, classes: Tensor | None = None) -> Tensor:
        angles = points @ self.turns
        hidden = self.first(torch.cat([points, angles.sin(), angles.cos(), self.times(times)], dim=1))
        if self.classes is not None:
            hidden = hidden + self.classes(classes)
        for layer in self.layers:
            hidden = hidden + F.silu(layer(hidden))
        return self.last(hidden)
