"""AlexNet.

Alex Krizhevsky, Ilya Sutskever and Geoffrey Hinton, 2012, "ImageNet Classification with Deep Convolutional Neural
Networks", in the one-column form of Alex Krizhevsky, 2014, "One weird trick for parallelizing convolutional neural
networks". With width 64, 4096 hidden units and 1000 classes it has 61,100,840 parameters at 224x224.

What differs: no local response normalisation, and first weights after He et al., 2015. Images with a
side below 64 get a first layer of 5x5 in place of 11x11 without a stride, pooling that pads, and a classifier that sees
the maps as they are (4x4 of 32x32).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

LARGE = 64


class AlexNet(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. The convolutions have 1, 3, 6,
    4 and 4 times `width` channels, the two fully connected layers `hidden` units, with `dropout` before each."""

    smallest_side: ClassVar[int] = 4

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        num_classes: int,
        width: int = 16,
        hidden: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        large = min(size) >= LARGE
        kernel, stride, padding = (11, 4, 2) if large else (5, 1, 2)
        pool = nn.MaxPool2d(3, stride=2, padding=0 if large else 1)
        self.features = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=kernel, stride=stride, padding=padding),
            nn.ReLU(),
            pool,
            nn.Conv2d(width, 3 * width, kernel_size=5, padding=2),
            nn.ReLU(),
            pool,
            nn.Conv2d(3 * width, 6 * width, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(6 * width, 4 * width, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4 * width, 4 * width, kernel_size=3, padding=1),
            nn.ReLU(),
            pool,
        )
        height, breadth = (6 if large else -(-side // 8) for side in size)
        self.pool = nn.AdaptiveAvgPool2d((height, breadth)) if large else nn.Identity()
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(4 * width * height * breadth, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, num_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        maps = self.pool(self.features(images))  # (B, 4 * width, 6, 6) where images are large
        return self.classifier(torch.flatten(maps, 1))
