"""CenterNet: Zhou, Wang and Krähenbühl 2019, "Objects as Points".

Differs from the paper: a small residual network that goes down to an eighth of the image and back up to a quarter, in
place of ResNet with transposed convolutions, DLA or Hourglass; heads as wide as the network at a quarter, not 256.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 4
RARE = 0.1
"""What the heatmap says of every cell before training: the focal loss would drown in confident mistakes otherwise."""


class CenterNet(nn.Module):
    """Image (B, channels, H, W) -> on a grid of a quarter of its sides, rounded up: logits of an object's centre being
    there, for each class (B, num_classes, h, w); sizes (B, 2, h, w), width and height in cells; and offsets (B, 2, h,
    w), how far right and down of the cell's corner the centre lies, in cells.

    `depth`: residual blocks on each of the two levels.
    """

    smallest_side = 16

    def __init__(self, *, channels: int, num_classes: int, width: int = 24, depth: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            _convolution(channels, (width + 1) // 2, stride=2), _convolution((width + 1) // 2, width, stride=2)
        )
        self.fine = nn.Sequential(*(Residual(width) for _ in range(depth)))
        self.down = _convolution(width, 2 * width, stride=2)
        self.coarse = nn.Sequential(*(Residual(2 * width) for _ in range(depth)))
        self.across = nn.Conv2d(2 * width, width, 1)
        self.merge = _convolution(width, width)
        self.centres, self.sizes, self.offsets = (_head(width, count) for count in (num_classes, 2, 2))
        nn.init.constant_(self.centres[-1].bias, -math.log(1 / RARE - 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine = self.fine(self.stem(images))  # (B, width, h, w)
        coarse = self.across(self.coarse(self.down(fine)))
        x = self.merge(fine + F.interpolate(coarse, size=fine.shape[2:]))
        return self.centres(x), self.sizes(x), self.offsets(x)


class Residual(nn.Module):
    """Two 3x3 convolutions beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> (B, width, h, w)"""
        return F.relu(x + self.second(self.first(x)))


def _convolution(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def _head(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, outputs, 1))
