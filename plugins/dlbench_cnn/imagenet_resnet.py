"""The residual networks for ImageNet.

Kaiming He, Xiangyu Zhang, Shaoqing Ren and Jian Sun, 2016, "Deep Residual Learning for Image Recognition", table 1.

At width 64 with 1000 classes: 11,689,512 parameters at 18 layers, 21,797,672 at 34, 25,557,032 at 50, 44,549,160 at 101
and 60,192,808 at 152. What differs: bottlenecks stride in their 3x3 convolution, as torchvision's do; images with a
side below 64 get a first layer of 3x3 without stride or pooling; a stage that would leave a single pixel doesn't
stride, since batch normalisation would have nothing to compare in a batch of one.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

LARGE = 64
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


class ImageNetResNet(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. `width` is the number of
    channels of the first stage, inside its blocks, and doubles with each. Raises ValueError for an unknown depth."""

    smallest_side: ClassVar[int] = 2

    def __init__(
        self, *, channels: int, size: tuple[int, int], num_classes: int, depth: int = 18, width: int = 8
    ) -> None:
        super().__init__()
        if depth not in STAGES:
            raise ValueError(f"depth must be one of {', '.join(map(str, STAGES))}, not {depth}")
        factor = 4 if depth >= 50 else 1
        large = min(size) >= LARGE
        layers: list[nn.Module] = _stem(channels, width, large=large)
        have, side = width, -(-min(size) // (4 if large else 1))
        for stage, num_blocks in enumerate(STAGES[depth]):
            for index in range(num_blocks):
                stride = 2 if stage > 0 and index == 0 and side > 2 else 1
                side = -(-side // stride)
                layers.append(Block(channels=have, width=width * 2**stage, factor=factor, stride=stride))
                have = factor * width * 2**stage
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(have, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        return self.classifier(self.features(images).mean(dim=(2, 3)))


class Block(nn.Module):
    """Two 3x3 convolutions, or with a factor of 4 a bottleneck of 1x1, 3x3 and 1x1, beside a shortcut."""

    def __init__(self, *, channels: int, width: int, factor: int, stride: int) -> None:
        super().__init__()
        out = factor * width
        if factor == 1:
            layers = [*_conv(channels, width, 3, stride), nn.ReLU(), *_conv(width, width, 3)]
        else:
            layers = [*_conv(channels, width, 1), nn.ReLU(), *_conv(width, width, 3, stride), nn.ReLU()]
            layers += _conv(width, out, 1)
        self.residual = nn.Sequential(*layers)
        change = stride > 1 or channels != out
        self.shortcut = nn.Sequential(*_conv(channels, out, 1, stride)) if change else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, factor * width, ceil(H / stride), ceil(W / stride))"""
        return F.relu(self.residual(maps) + self.shortcut(maps))


def _stem(channels: int, width: int, *, large: bool) -> list[nn.Module]:
    if large:
        return [*_conv(channels, width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)]
    return [*_conv(channels, width, 3), nn.ReLU()]


def _conv(channels: int, out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(out)]
