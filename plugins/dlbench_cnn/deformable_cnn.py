"""A small convolutional network whose later convolutions are deformable.

Jifeng Dai, Haozhi Qi, Yuwen Xiong, Yi Li, Guodong Zhang, Han Hu and Yichen Wei, 2017, "Deformable Convolutional
Networks": the filters of the last layers look where the maps tell them to, which helps where objects come in many sizes
and directions.

What differs: the network around them is a plain one of 3x3 convolutions, for small images (the paper changes large
residual networks for detection and segmentation).
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from .deformable_conv import DeformableConv2d

SMALLEST = 8  # side of maps that are still halved


class DeformableCNN(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. Three stages have 1, 2 and 4
    times `width` channels, and `depth` convolutions in all; those of the second and the third are deformable, or plain
    like the first where `deformable` is false. Raises ValueError for a depth that isn't a multiple of 3. Maps with a
    side below 8 are not halved."""

    smallest_side: ClassVar[int] = 2

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        num_classes: int,
        depth: int = 6,
        width: int = 24,
        deformable: bool = True,
    ) -> None:
        super().__init__()
        if depth < 3 or depth % 3:
            raise ValueError(f"depth must be 3, 6, 9 or another multiple of 3, not {depth}")
        layers: list[nn.Module] = []
        have, side = channels, min(size)
        for stage in range(3):
            if stage and side >= SMALLEST:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
                side = -(-side // 2)
            out = width * 2**stage
            for _ in range(depth // 3):
                if stage and deformable:
                    layers.append(DeformableConv2d(have, out))
                else:
                    layers.append(nn.Conv2d(have, out, 3, padding=1, bias=False))
                layers += [nn.BatchNorm2d(out), nn.ReLU()]
                have = out
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(have, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        return self.classifier(self.features(images).mean(dim=(2, 3)))
