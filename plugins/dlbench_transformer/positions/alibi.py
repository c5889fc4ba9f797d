"""ALiBi: Press et al. 2022, "Train Short, Test Long: Attention with Linear Biases Enables Input Length Extrapolation".

Scores fall linearly with the distance, at another slope in every head. In models that look both ways the distance
counts to both sides alike.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def alibi_slopes(heads: int) -> Tensor:
    """(heads,): 2 ** (-8 / heads), its square, its cube ... Where `heads` is no power of two: those of the power below
    it, then every other one of the power above it, as the paper's section 3 says in a footnote."""
    below = 2 ** int(math.log2(heads))
    slopes = [2 ** (-8 * (i + 1) / below) for i in range(below)]
    between = [2 ** (-4 * (i + 1) / below) for i in range(0, 2 * below, 2)]
    return torch.tensor((slopes + between)[:heads])


def alibi_bias(slopes: Tensor, distance: Tensor) -> Tensor:
    """Distances (...) between query and key -> what is added to their scores, (heads, ...)."""
    return -slopes.view(-1, *[1] * distance.dim()) * distance.abs()
