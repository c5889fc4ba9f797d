"""VGG.

Karen Simonyan and Andrew Zisserman, 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
configurations A, B, D and E. With width 64, 4096 hidden units and 1000 classes there are 132,863,336 parameters at 11
layers, 133,047,848 at 13, 138,357,544 at 16 and 143,667,240 at 19, and as many more as batch normalisation has.

What differs: batch normalisation (Ioffe and Szegedy, 2015) unless `norm` is None; without hidden units one linear layer
follows the mean over the maps, as is usual for CIFAR (14,728,266 parameters at 16 layers of width 64 and ten classes).
Where halving would leave a single pixel, it is left out, so that 8x8 digits fit.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions of each stage; the classifier's three layers count too."""


class VGG(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. The five stages have 1, 2,
    4, 8 and 8 times `width` channels. `hidden`: units of the two fully connected layers before the last, 0 for none;
    `dropout` stands before the last layers. `norm`: `batch` or None. Raises ValueError for an unknown depth or norm."""

    smallest_side: ClassVar[int] = 2

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        num_classes: int,
        depth: int = 16,
        width: int = 8,
        norm: str | None = "batch",
        hidden: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if depth not in STAGES or norm not in ("batch", None):
            raise ValueError(f"needs a depth of 11, 13, 16 or 19 and batch or no norm, not {depth} and {norm!r}")
        layers: list[nn.Module] = []
        side, have = min(size), channels
        for factor, num_layers in zip((1, 2, 4, 8, 8), STAGES[depth], strict=True):
            for _ in range(num_layers):
                layers.append(nn.Conv2d(have, factor * width, kernel_size=3, padding=1))
                layers += [nn.BatchNorm2d(factor * width)] if norm else []
                layers.append(nn.ReLU())
                have = factor * width
            if side > 2:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
                side = -(-side // 2)
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(7 if hidden else 1)
        self.classifier = _classifier(have, hidden, num_classes, dropout)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        maps = self.pool(self.features(images))  # (B, 8 * width, 1, 1), with hidden units (B, 8 * width, 7, 7)
        return self.classifier(torch.flatten(maps, 1))


def _classifier(features: int, hidden: int, num_classes: int, dropout: float) -> nn.Sequential:
    if not hidden:
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(features, num_classes))
    return nn.Sequential(
        nn.Linear(49 * features, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, num_classes),
    )


def _initialise(module: nn.Module) -> None:
    """Convolutions after He et al., 2015, without which 16 layers don't start to learn where nothing is normalised."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)
