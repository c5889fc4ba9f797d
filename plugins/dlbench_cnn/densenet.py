"""Densely connected networks: every layer of a block sees the maps of all layers before it.

Gao Huang, Zhuang Liu, Laurens van der Maaten and Kilian Weinberger, 2017, "Densely Connected Convolutional Networks",
the form DenseNet-BC: 1x1 bottlenecks of four times the growth rate, transitions that halve the channels.

`depth` 121, 169, 201 (growth rate, `width`, 32) and 161 (48) are the four ImageNet forms of four blocks, with
7,978,856, 14,149,480, 20,013,928 and 28,681,000 parameters; 6n + 4 are the CIFAR forms of three blocks of n layers
(769,162 at 100 and 176,122 at 40, both with width 12, three channels and ten classes). What differs: images with a side
below 64 get CIFAR's first layer in either form, larger ones ImageNet's; CIFAR's strides by 2 unless told otherwise,
which saves three quarters of the work; where halving would leave a single pixel, it is left out.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGE = 64
IMAGENET = {121: (6, 12, 24, 16), 161: (6, 12, 36, 24), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}


class DenseNet(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. `width` is the growth rate,
    `stride` the first layer's where images are small. Raises ValueError for a depth that is neither 6n + 4 nor one of
    the ImageNet forms."""

    smallest_side: ClassVar[int] = 2

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        num_classes: int,
        depth: int = 22,
        width: int = 20,
        stride: int = 2,
    ) -> None:
        super().__init__()
        blocks = IMAGENET.get(depth) or ((depth - 4) // 6,) * 3
        if depth not in IMAGENET and (depth < 10 or (depth - 4) % 6):
            raise ValueError(f"depth must be 6n + 4 (10, 16, 22, ...) or one of {', '.join(map(str, IMAGENET))}")
        have, large = 2 * width, min(size) >= LARGE
        stride = 4 if large else stride if min(size) > 2 else 1
        layers: list[nn.Module] = [_large_stem(channels, have) if large else _small_stem(channels, have, stride)]
        side = -(-min(size) // stride)
        for index, num_layers in enumerate(blocks):
            if index:
                layers.append(_transition(have, halve=side >= 4))
                have, side = have // 2, side // 2 if side >= 4 else side
            for _ in range(num_layers):
                layers.append(Layer(channels=have, width=width))
                have += width
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(have), nn.ReLU())
        self.classifier = nn.Linear(have, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        return self.classifier(self.features(images).mean(dim=(2, 3)))


class Layer(nn.Module):
    """Appends `width` maps to those it gets."""

    def __init__(self, *, channels: int, width: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * width, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * width)
        self.conv2 = nn.Conv2d(4 * width, width, kernel_size=3, padding=1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, channels + width, H, W)"""
        new = self.conv1(F.relu(self.norm1(maps)))  # (B, 4 * width, H, W)
        return torch.cat([maps, self.conv2(F.relu(self.norm2(new)))], dim=1)


def _small_stem(channels: int, out: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, kernel_size=3, stride=stride, padding=1, bias=False)


def _large_stem(channels: int, out: int) -> nn.Sequential:
    """(B, channels, H, W) -> (B, out, ceil(H / 4), ceil(W / 4))"""
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel_size=7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
    )


def _transition(channels: int, *, halve: bool) -> nn.Sequential:
    """(B, channels, H, W) -> (B, channels // 2, H // 2, W // 2)"""
    conv = nn.Conv2d(channels, channels // 2, kernel_size=1, bias=False)
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), conv, nn.AvgPool2d(2) if halve else nn.Identity())
