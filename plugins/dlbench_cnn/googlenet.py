"""GoogLeNet, the first Inception network: four filters of different reach beside each other, and their maps stacked.

Christian Szegedy, Wei Liu, Yangqing Jia, Pierre Sermanet, Scott Reed, Dragomir Anguelov, Dumitru Erhan, Vincent
Vanhoucke and Andrew Rabinovich, 2015, "Going Deeper with Convolutions".

Without norm it is the paper's form, with biases and 5x5 convolutions: 6,998,552 parameters at width 64 and 1000
classes, and 6,379,728 more in the two auxiliary heads. With batch normalisation it is torchvision's, which has 3x3 in
place of 5x5 and no biases: 6,624,904, and 13,004,888 with heads. What differs: no local response normalisation; images
with a side below 64 get a first layer of 3x3 without stride or pooling; where halving would leave a single pixel, it is
left out.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGE, FULL = 64, 64  # the side from which on the paper's first layers are used, the paper's width
STAGES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
"""Channels of table 1, by stage: 1x1; 3x3 reduce, 3x3; 5x5 reduce, 5x5; after pooling."""
HEADS_AFTER = ((1, 0), (1, 3))  # 4a and 4d


class GoogLeNet(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. All channels of the paper are
    multiplied by `width` / 64. `norm`: `batch` or None. With `auxiliary`, `all_logits` gives those of two further
    heads, for training. Raises ValueError for another norm."""

    smallest_side: ClassVar[int] = 2

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        num_classes: int,
        width: int = 12,
        norm: str | None = "batch",
        auxiliary: bool = False,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if norm not in ("batch", None):
            raise ValueError(f"there is batch or no norm, not {norm!r}")
        first, have = _scaled(64, width), _scaled(192, width)
        large, side = min(size) >= LARGE, min(size)
        kernel, stride = (7, 2) if large else (3, 1)
        stem = [_conv(channels, first, kernel, norm, stride=stride), *([_pool()] if large else [])]
        self.stem = nn.Sequential(*stem, _conv(first, first, 1, norm), _conv(first, have, 3, norm))
        side = -(-side // 4) if large else side
        self.stages, heads = nn.ModuleList(), nn.ModuleList()
        for index, stage in enumerate(STAGES):
            modules: list[nn.Module] = [_pool(2 if index == 2 else 3) if side > 2 else nn.Identity()]
            side = -(-side // 2) if side > 2 else side
            for place, paper in enumerate(stage):
                modules.append(Inception(channels=have, plan=[_scaled(n, width) for n in paper], norm=norm))
                have = modules[-1].out_channels
                if auxiliary and (index, place) in HEADS_AFTER:
                    heads.append(Head(channels=have, num_classes=num_classes, width=width, norm=norm))
            self.stages.append(nn.ModuleList(modules))
        self.heads = heads
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(have, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        return self._answers(images, with_heads=False)[0]

    def all_logits(self, images: Tensor) -> list[Tensor]:
        """The network's own logits, then those of the auxiliary heads, each (B, num_classes)."""
        return self._answers(images, with_heads=True)

    def _answers(self, images: Tensor, *, with_heads: bool) -> list[Tensor]:
        maps, extra = self.stem(images), []
        heads = iter(self.heads if with_heads else ())
        for index, stage in enumerate(self.stages):
            for place, module in enumerate(stage, start=-1):  # pooling comes first
                maps = module(maps)
                if (index, place) in HEADS_AFTER and (head := next(heads, None)) is not None:
                    extra.append(head(maps))
        return [self.classifier(self.dropout(maps.mean(dim=(2, 3)))), *extra]


class Inception(nn.Module):
    """`plan`: channels as in `STAGES`."""

    def __init__(self, *, channels: int, plan: list[int], norm: str | None) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pooled = plan
        self.out_channels = one + three + five + pooled
        self.one = _conv(channels, one, 1, norm)
        self.three = nn.Sequential(_conv(channels, reduce3, 1, norm), _conv(reduce3, three, 3, norm))
        self.five = nn.Sequential(_conv(channels, reduce5, 1, norm), _conv(reduce5, five, 3 if norm else 5, norm))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), _conv(channels, pooled, 1, norm))

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out_channels, H, W)"""
        return torch.cat([self.one(maps), self.three(maps), self.five(maps), self.pooled(maps)], dim=1)


class Head(nn.Module):
    """An auxiliary classifier on 4x4 means of the maps."""

    def __init__(self, *, channels: int, num_classes: int, width: int, norm: str | None) -> None:
        super().__init__()
        maps, hidden = _scaled(128, width), _scaled(1024, width)
        self.conv = _conv(channels, maps, 1, norm)
        self.hidden = nn.Linear(16 * maps, hidden)
        self.out = nn.Linear(hidden, num_classes)
        self.dropout = nn.Dropout(0.7)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, num_classes)"""
        maps = self.conv(F.adaptive_avg_pool2d(maps, 4))
        return self.out(self.dropout(F.relu(self.hidden(maps.flatten(1)))))


def _scaled(paper: int, width: int) -> int:
    return max(1, paper * width // FULL)


def _conv(channels: int, out: int, kernel: int, norm: str | None, *, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2, bias=not norm)
    return nn.Sequential(conv, *([nn.BatchNorm2d(out, eps=1e-3)] if norm else []), nn.ReLU())


def _pool(kernel: int = 3) -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel, stride=2, ceil_mode=True)
