"""A small convolutional network in which every place also sees all others.

Xiaolong Wang, Ross Girshick, Abhinav Gupta and Kaiming He, 2018, "Non-local Neural Networks": between the convolutions
stand blocks of self-attention over the places of the maps (the embedded Gaussian form, half as wide inside), beside a
shortcut.

What differs: the network around them is a plain one of 3x3 convolutions, for small images (the paper puts the blocks
into residual networks for video and detection); scores are divided by the root of the inner width, as in Transformers;
and the block's last norm begins with a scale of 0.1 in place of 0, so that queries and keys learn from the first step.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

FIRST_SCALE = 0.1


class CNNAttention(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. Three stages have 1, 2 and 4
    times `width` channels, and `depth` convolutions in all; the second and the third end in attention. Raises
    ValueError for a depth that isn't a multiple of 3. Where halving would leave a single pixel, it is left out."""

    smallest_side: ClassVar[int] = 2

    def __init__(
        self, *, channels: int, size: tuple[int, int], num_classes: int, depth: int = 6, width: int = 24
    ) -> None:
        super().__init__()
        if depth < 3 or depth % 3:
            raise ValueError(f"depth must be 3, 6, 9 or another multiple of 3, not {depth}")
        layers: list[nn.Module] = []
        have, side = channels, min(size)
        for stage in range(3):
            if stage and side > 2:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
                side = -(-side // 2)
            here = width * 2**stage
            for _ in range(depth // 3):
                layers += [nn.Conv2d(have, here, 3, padding=1, bias=False), nn.BatchNorm2d(here), nn.ReLU()]
                have = here
            if stage:
                layers.append(NonLocal(width=here))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(have, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        maps = self.features(images)  # (B, 4 * width, ceil(H / 4), ceil(W / 4))
        return self.classifier(maps.mean(dim=(2, 3)))


class NonLocal(nn.Module):
    """maps + norm(out(attention(maps))), over all pairs of places."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        inner = max(1, width // 2)
        self.query, self.key, self.value = (nn.Conv2d(width, inner, kernel_size=1) for _ in range(3))
        self.out = nn.Conv2d(inner, width, kernel_size=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.constant_(self.norm.weight, FIRST_SCALE)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, width, H, W) -> the same"""
        query, key, value = (part(maps).flatten(2) for part in (self.query, self.key, self.value))  # (B, inner, places)
        scores = query.transpose(1, 2) @ key * query.shape[1] ** -0.5  # (B, places, places)
        mixed = value @ scores.softmax(dim=2).transpose(1, 2)  # (B, inner, places)
        return maps + self.norm(self.out(mixed.unflatten(2, maps.shape[2:])))
