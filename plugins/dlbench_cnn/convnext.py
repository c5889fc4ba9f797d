"""ConvNeXt: a residual network made over after the Swin Transformer, in convolutions.

Zhuang Liu, Hanzi Mao, Chao-Yuan Wu, Christoph Feichtenhofer, Trevor Darrell and Saining Xie, 2022, "A ConvNet for the
2020s". With 1000 classes: 28,589,128 parameters at 18 blocks of width 96 (tiny), 3,695,520 at 12 of width 40 (atto, by
Ross Wightman).

What differs: no stochastic depth; weights after Glorot and Bengio (the paper's 0.02 fits wide layers); the patches of
the first layer have a side of 2 where images have one below 64, and of 1 below 16, so that four stages fit.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

EPS = 1e-6


class ConvNeXt(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. `width` is the number of
    channels of the first stage, and doubles with each; `depth` is the number of blocks, in stages of 1:1:3:1, or 36 of
    3, 3, 27, 3. `scale`: what every block's branch is multiplied with at first. Raises ValueError for another depth."""

    smallest_side: ClassVar[int] = 8

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        num_classes: int,
        depth: int = 6,
        width: int = 16,
        scale: float = 1e-6,
    ) -> None:
        super().__init__()
        if depth < 6 or depth % 6:
            raise ValueError(f"depth must be 6, 12, 18 or another multiple of 6, not {depth}")
        stages = (3, 3, 27, 3) if depth == 36 else tuple(depth // 6 * share for share in (1, 1, 3, 1))
        patch = 4 if min(size) >= 64 else 2 if min(size) >= 16 else 1
        layers: list[nn.Module] = [nn.Conv2d(channels, width, patch, stride=patch), ChannelNorm(width, eps=EPS)]
        for stage, num_blocks in enumerate(stages):
            here = width * 2**stage
            if stage:
                layers += [ChannelNorm(here // 2, eps=EPS), nn.Conv2d(here // 2, here, 2, stride=2)]
            layers += [Block(width=here, scale=scale) for _ in range(num_blocks)]
        self.features = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(here, eps=EPS)
        self.classifier = nn.Linear(here, num_classes)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        return self.classifier(self.norm(self.features(images).mean(dim=(2, 3))))


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation of each place over its channels: (B, C, H, W) -> the same."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """A 7x7 convolution of each channel alone, then two layers for each place alone, beside a shortcut."""

    def __init__(self, *, width: int, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((width, 1, 1), scale))
        self.depthwise = nn.Conv2d(width, width, kernel_size=7, padding=3, groups=width)
        self.places = nn.Sequential(
            nn.LayerNorm(width, eps=EPS), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(B, width, H, W) -> the same"""
        new = self.places(self.depthwise(maps).permute(0, 2, 3, 1))  # (B, H, W, width)
        return maps + self.scale * new.permute(0, 3, 1, 2)
