"""What the Inception networks are made of: normalised convolutions, and branches beside each other."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

Kernel = int | tuple[int, int]


class Branches(nn.Module):
    """The maps of all branches, stacked: (B, channels, H, W) -> (B, sum of theirs, H', W')"""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([branch(maps) for branch in self.branches], dim=1)


def conv(channels: int, out: int, kernel: Kernel, *, stride: int = 1, padded: bool = True) -> nn.Sequential:
    """A convolution, batch normalisation and rectification; `padded`: the maps keep their size but for the stride."""
    reach = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (reach[0] // 2, reach[1] // 2) if padded else 0
    layer = nn.Conv2d(channels, out, reach, stride=stride, padding=padding, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out, eps=1e-3), nn.ReLU())


def chain(
    channels: int, layers: Iterable[tuple[int, Kernel]], *, stride: int = 1, padded: bool = True
) -> nn.Sequential:
    """Convolutions one after the other, each given as channels and kernel; stride and padding are the last one's."""
    plan, have = list(layers), channels
    parts = []
    for index, (out, kernel) in enumerate(plan):
        last = index == len(plan) - 1
        parts.append(conv(have, out, kernel, stride=stride if last else 1, padded=padded or not last))
        have = out
    return nn.Sequential(*parts)


def pooled(channels: int, out: int, *, count_border: bool = True) -> nn.Sequential:
    """The mean of 3x3 places, then a 1x1 convolution. `count_border`: zeros beyond the border count."""
    pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=count_border)
    return nn.Sequential(pool, conv(channels, out, 1))


def initialise(network: nn.Module) -> None:
    """Weights after He et al., 2015."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def split(depth: int, paper: tuple[int, int, int]) -> tuple[int, int, int]:
    """How many modules each of three stages has of `depth` in all, in about the paper's proportions. Raises ValueError
    below 3."""
    if depth < 3:
        raise ValueError(f"needs at least 3 modules, one in each stage, not {depth}")
    whole = sum(paper)
    first, last = (max(1, round(depth * part / whole)) for part in (paper[0], paper[2]))
    if first + last >= depth:
        first = max(1, depth - last - 1)
    return first, depth - first - last, last
