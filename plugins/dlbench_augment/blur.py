"""Gaussian blur with a width of its own for each image."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import Augmentation, check_range

LEAST = 1e-3
"""Of a deviation: a kernel this narrow is exactly 1 in its middle."""
NOTHING = 1e-8
"""Weights below it are 0: they change no rounded sum, and where they reach the smallest floats they are slow."""


class Blur(Augmentation):
    """Each image is smoothed by a Gaussian of a deviation from 0 to `sigma` pixels, cut off at three times `sigma`.
    What lies outside has no weight."""

    name: ClassVar[str] = "blur"

    def __init__(self, *, sigma: float = 1.0) -> None:
        self.sigma = check_range(self.name, "a sigma", sigma, 0, 100)
        self.idle = not sigma

    def change(self, images: Tensor, generator: torch.Generator) -> Tensor:
        sigmas = torch.rand(len(images), generator=generator) * self.sigma
        return blurred(images, sigmas, math.ceil(3 * self.sigma))


def blurred(images: Tensor, sigmas: Tensor, radius: int) -> Tensor:
    """Images (B, C, H, W) under Gaussians of deviations `sigmas` (B,), on the CPU, over 2 `radius` + 1 pixels."""
    count, channels, height, width = images.shape
    places = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weights = torch.exp(-0.5 * (places / sigmas.clamp(min=LEAST)[:, None]).square())
    weights = torch.where(weights < NOTHING, 0.0, weights)
    weights = weights / weights.sum(dim=1, keepdim=True)  # (B, K)
    weights = weights.to(images.dtype).to(images.device, non_blocking=True)
    kernels = weights.repeat_interleave(channels, dim=0, output_size=count * channels)
    groups = count * channels  # each channel of each image is a channel of one picture, with its own kernel
    across = F.conv2d(
        images.reshape(1, groups, height, width), kernels[:, None, None, :], padding=(0, radius), groups=groups
    )
    down = F.conv2d(across, kernels[:, None, :, None], padding=(radius, 0), groups=groups)
    counted = [_counted(weights, side) for side in (height, width)]
    return down.view(images.shape).mul_((1 / counted[0])[:, None, :, None] * (1 / counted[1])[:, None, None, :])


def _counted(weights: Tensor, side: int) -> Tensor:
    """How much of the weights (B, K) lies inside a line of `side` pixels, about each of them: (B, side)."""
    reach = weights.shape[1] // 2
    places = torch.arange(side, device=weights.device)
    sources = places[:, None] + torch.arange(-reach, reach + 1, device=weights.device)
    return weights @ ((sources >= 0) & (sources < side)).to(weights.dtype).T
