"""Residual networks whose normalisation and rectification stand before the convolutions, so that the shortcut is free.

Kaiming He, Xiangyu Zhang, Shaoqing Ren and Jian Sun, 2016, "Identity Mappings in Deep Residual Networks".

`form` cifar: 6n + 2 layers in three stages of two 3x3 convolutions a block. `form` imagenet: 18 and 34 layers of such
blocks, 50, 101 and 152 of bottlenecks, in four stages; at width 64 and 50 layers there are 25,549,352 parameters for
1000 classes. Where a block changes the maps' shape, the shortcut is a 1x1 convolution of the activated maps. What
differs: images with a side below 64 get a 3x3 first layer in either form, CIFAR's depths have no bottlenecks, and a
stage that would leave a single pixel doesn't stride.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

LARGE = 64
IMAGENET = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


class PreActResNet(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. `width` is the number of
    channels of the first stage, and doubles with each. Raises ValueError for a depth that the form doesn't have."""

    smallest_side: ClassVar[int] = 2

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        num_classes: int,
        depth: int = 20,
        width: int = 16,
        form: str = "cifar",
    ) -> None:
        super().__init__()
        stages, factor = _stages(form, depth)
        large = min(size) >= LARGE
        layers: list[nn.Module] = _stem(channels, width, large=large)
        have, side = width, -(-min(size) // (4 if large else 1))
        for stage, num_blocks in enumerate(stages):
            for index in range(num_blocks):
                stride = 2 if stage > 0 and index == 0 and side > 2 else 1
                side = -(-side // stride)
                layers.append(Block(channels=have, width=width * 2**stage, factor=factor, stride=stride))
                have = factor * width * 2**stage
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(have), nn.ReLU())
        self.classifier = nn.Linear(have, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        return self.classifier(self.features(images).mean(dim=(2, 3)))


class Block(nn.Module):
    """Two 3x3 convolutions, or with a factor of 4 a bottleneck of 1x1, 3x3 and 1x1, each behind norm and ReLU."""

    def __init__(self, *, channels: int, width: int, factor: int, stride: int) -> None:
        super().__init__()
        out = factor * width
        change = stride > 1 or channels != out
        self.shortcut = nn.Conv2d(channels, out, kernel_size=1, stride=stride, bias=False) if change else None
        plan = [(width, 3, stride), (width, 3, 1)] if factor == 1 else [(width, 1, 1), (width, 3, stride), (out, 1, 1)]
        self.norm = nn.BatchNorm2d(channels)
        rest: list[nn.Module] = []
        have = channels
        for index, (after, kernel, step) in enumerate(plan):
            rest += [nn.BatchNorm2d(have), nn.ReLU()] if index else []
            rest.append(nn.Conv2d(have, after, kernel, stride=step, padding=kernel // 2, bias=False))
            have = after
        self.residual = nn.Sequential(*rest)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, factor * width, ceil(H / stride), ceil(W / stride))"""
        active = F.relu(self.norm(maps))
        return self.residual(active) + (maps if self.shortcut is None else self.shortcut(active))


def _stem(channels: int, width: int, *, large: bool) -> list[nn.Module]:
    if not large:
        return [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
    return [nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False), nn.MaxPool2d(3, stride=2, padding=1)]


def _stages(form: str, depth: int) -> tuple[tuple[int, ...], int]:
    """Blocks of each stage, and how many times wider than inside a block is outside."""
    if form == "imagenet" and depth in IMAGENET:
        return IMAGENET[depth], 4 if depth >= 50 else 1
    if form == "cifar" and depth >= 8 and depth % 6 == 2:
        return ((depth - 2) // 6,) * 3, 1
    known = ", ".join(map(str, IMAGENET))
    raise ValueError(
        f"needs form=cifar and a depth of 6n + 2, or form=imagenet and one of {known}, not {form}, {depth}"
    )
