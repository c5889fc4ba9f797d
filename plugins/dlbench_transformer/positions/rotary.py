"""Rotary positions: Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding".

Queries and keys are turned in planes by angles that grow with their place, so that their product depends on how far
apart they are only. Differs from the paper: a plane joins number i and i + half, not two neighbours.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

SLOWEST = 10_000.0


class Turn(NamedTuple):
    """Cosines and sines, (T, half), or (N, 1, 1, half) where each sequence stands at a place of its own."""

    cos: Tensor
    sin: Tensor


def turn_at(places: Tensor, size: int) -> Turn:
    """The turns of heads of an even `size` at `places` (...,)."""
    half = size // 2
    rates = torch.exp(torch.arange(half, device=places.device) * (-math.log(SLOWEST) / half))  # (half,)
    angles = places[..., None] * rates
    return Turn(angles.cos(), angles.sin())


def rotate(x: Tensor, turn: Turn) -> Tensor:
    """(B, heads, T, size) -> the same, turned."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * turn.cos - second * turn.sin, first * turn.sin + second * turn.cos], dim=-1)
