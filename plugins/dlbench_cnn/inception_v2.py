"""Inception v2 in the sense in which the name is mostly used: BN-Inception, GoogLeNet with batch normalisation.

Sergey Ioffe and Christian Szegedy, 2015, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
Covariate Shift", figure 5. (Szegedy et al., 2016, call another step on the way to Inception v3 by the same name.) Two
3x3 convolutions stand for GoogLeNet's 5x5, the last module of the first two stages strides, most pooling is by mean.

At width 64 and 1000 classes there are 11,194,984 parameters. The paper's figure contradicts itself on two modules of
the second stage: this network has the numbers of maps that the figure states for them, 576, and so 96 pooled ones where
it prints 128. What differs: a plain first convolution in place of a separable one; images with a side below 64 get a
first layer of 3x3 without stride or pooling; where halving would leave a single pixel, it is left out.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from .inception_parts import Branches, chain, conv, initialise, pooled

LARGE, FULL = 64, 64  # the side from which on the paper's first layers are used, the paper's width
STAGES: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((64, 64, 64, 64, 96, 32), (64, 64, 96, 64, 96, 64), (0, 128, 160, 64, 96, 0)),
    (
        (224, 64, 96, 96, 128, 128),
        (192, 96, 128, 96, 128, 128),
        (160, 128, 160, 128, 160, 96),
        (96, 128, 192, 160, 192, 96),
        (0, 128, 192, 192, 256, 0),
    ),
    ((352, 192, 320, 160, 224, 128), (352, 192, 320, 192, 224, 128)),
)
"""Channels by stage: 1x1; 3x3 reduce, 3x3; double 3x3 reduce, double 3x3; after pooling. Those without 1x1 stride."""


class InceptionV2(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. All channels of the paper are
    multiplied by `width` / 64."""

    smallest_side: ClassVar[int] = 2

    def __init__(
        self, *, channels: int, size: tuple[int, int], num_classes: int, width: int = 12, dropout: float = 0.2
    ) -> None:
        super().__init__()
        first, have = _scaled(64, width), _scaled(192, width)
        large, side = min(size) >= LARGE, min(size)
        stem: list[nn.Module] = [conv(channels, first, 7 if large else 3, stride=2 if large else 1)]
        stem += [_pool()] if large else []
        self.stem = nn.Sequential(*stem, conv(first, first, 1), conv(first, have, 3))
        side = -(-side // 4) if large else side
        layers: list[nn.Module] = []
        if side > 2:
            layers.append(_pool())
            side = -(-side // 2)
        for index, stage in enumerate(STAGES):
            for place, paper in enumerate(stage):
                plan = [_scaled(n, width) if n else 0 for n in paper]
                stride = 2 if not plan[0] and side > 2 else 1
                by_maximum = not plan[0] or (index, place) == (2, 1)
                layers.append(_module(have, plan, stride=stride, by_maximum=by_maximum))
                have = plan[0] + plan[2] + plan[4] + (plan[5] or have)
                side = -(-side // stride)
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(have, num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        maps = self.features(self.stem(images))  # (B, 16 * width, ceil(H / 32), ceil(W / 32)) where H, W are large
        return self.classifier(self.dropout(maps.mean(dim=(2, 3))))


def _module(channels: int, plan: list[int], *, stride: int, by_maximum: bool) -> Branches:
    """`plan`: channels as in `STAGES`. Without 1x1 the module passes its pooled input on."""
    one, reduce3, three, reduce33, double, after = plan
    branches = [conv(channels, one, 1)] if one else []
    branches.append(chain(channels, [(reduce3, 1), (three, 3)], stride=stride))
    branches.append(chain(channels, [(reduce33, 1), (double, 3), (double, 3)], stride=stride))
    if not after:
        return Branches(*branches, nn.MaxPool2d(3, stride=stride, padding=1))
    if by_maximum:
        return Branches(*branches, nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(channels, after, 1)))
    return Branches(*branches, pooled(channels, after))


def _scaled(paper: int, width: int) -> int:
    return max(1, paper * width // FULL)


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, padding=1)
