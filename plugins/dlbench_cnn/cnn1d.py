"""Convolutions over time: Zhiguang Wang, Weizhong Yan and Tim Oates 2017, "Time Series Classification from Scratch with
Deep Neural Networks: A Strong Baseline" (their fully convolutional network).

What differs: every layer has the same width and kernel (the paper's three have 128, 256 and 128 maps and kernels of 8,
5 and 3), dropout before the output if asked for, and series of different lengths in one batch: padding is zero before
each convolution, as the world beyond a series' ends is, and neither the batch norm's statistics nor the mean over time
see it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


class CNN1d(nn.Module):
    """Series -> logits (B, num_classes): `depth` times convolution, batch norm and ReLU, the mean over time, a linear
    layer.

    `inputs` has `.values` (B, T, features) float and `.lengths` (B,) int64 of at least 1, or None where every series
    fills all T steps. `kernel` is odd. Raises ValueError where it isn't.
    """

    def __init__(
        self,
        *,
        features: int,
        num_classes: int,
        width: int = 64,
        depth: int = 3,
        kernel: int = 5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, so that a step has as many neighbours on both sides, not {kernel}")
        sizes = [features] + [width] * depth
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel, padding=kernel // 2, bias=False) for before, after in pairwise(sizes)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(depth))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(sizes[-1], num_classes)

    def forward(self, inputs: Any) -> Tensor:
        x = inputs.values.transpose(1, 2)  # (B, features, T)
        if inputs.lengths is None:
            for convolution, norm in zip(self.convolutions, self.norms, strict=True):
                x = norm(convolution(x)).relu()  # (B, width, T)
            pooled = x.mean(dim=2)
        else:
            pooled = self._of_valid(x, inputs.lengths, inputs.sizes)
        return self.head(self.dropout(pooled))

    def _of_valid(self, x: Tensor, lengths: Tensor, sizes: list[int] | None) -> Tensor:
        """The same (B, width) for series that end before the last step. `sizes`: the lengths as numbers, or None; then
        a GPU has to be waited for."""
        count, _, longest = x.shape
        valid = torch.arange(longest, device=x.device) < lengths[:, None]  # (B, T)
        x = x * valid[:, None]
        shift = torch.arange(count, device=x.device) * longest - (lengths.cumsum(0) - lengths)
        places = torch.repeat_interleave(shift, lengths, output_size=None if sizes is None else sum(sizes))
        places = places + torch.arange(len(places), device=x.device)  # (N,) of the B * T that are valid
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            steps = convolution(x).transpose(1, 2).flatten(0, 1)  # (B * T, width)
            steps = norm(steps[places]).relu()  # (N, width)
            filled = steps.new_zeros(count * longest, steps.shape[1]).index_copy(0, places, steps)
            x = filled.view(count, longest, -1).transpose(1, 2)  # (B, width, T)
        return x.sum(dim=2) / lengths[:, None]
