"""The residual network for CIFAR.

Kaiming He, Xiangyu Zhang, Shaoqing Ren and Jian Sun, 2016, "Deep Residual Learning for Image Recognition", section 4.2.

As in the paper: 6n + 2 weighted layers, three stages of n blocks at full, half and quarter resolution, shortcuts
without parameters (option A: every second pixel, new channels zero), global average pooling, weights drawn after
He et al., 2015. With width 16, three channels and ten classes, depths 20, 32 and 56 have 269,722, 464,154 and
853,018 parameters. What differs: width and image size are free.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F


class ResNet(nn.Module):
    """Images with `channels` channels to `num_classes` logits. `width` is the number of channels of the first stage
    (then twice and four times as many). Raises ValueError for a depth that is not 6n + 2.

    `smallest_side`: with shorter sides one pixel is left after the two subsamplings, and batch normalisation has
    nothing to compare in a batch of one.
    """

    smallest_side: ClassVar[int] = 5

    def __init__(self, *, channels: int, num_classes: int, depth: int = 20, width: int = 16) -> None:
        super().__init__()
        num_blocks, rest = divmod(depth - 2, 6)
        if num_blocks < 1 or rest:
            raise ValueError(f"depth must be 6n + 2 (8, 14, 20, ...), not {depth}")
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        blocks: list[nn.Module] = []
        have = width
        for stage in range(3):
            out = width * 2**stage
            for index in range(num_blocks):
                blocks.append(Block(channels=have, width=out, stride=2 if stage > 0 and index == 0 else 1))
                have = out
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(have, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, num_classes)"""
        maps = self.blocks(self.stem(images))  # (B, 4 * width, ceil(H / 4), ceil(W / 4))
        return self.classifier(maps.mean(dim=(2, 3)))


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, *, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.new_channels = width - channels
        self.residual = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, width, ceil(H / stride), ceil(W / stride))"""
        return F.relu(self.residual(maps) + self._shortcut(maps))

    def _shortcut(self, maps: Tensor) -> Tensor:
        if self.stride > 1:
            maps = maps[:, :, :: self.stride, :: self.stride]
        return F.pad(maps, (0, 0, 0, 0, 0, self.new_channels)) if self.new_channels else maps
