"""A convolutional network that asks what is in an image, not where: its last maps are pooled over all places.

Global pooling in place of fully connected layers is from Min Lin, Qiang Chen and Shuicheng Yan, 2014, "Network In
Network"; the maximum in place of the mean from Maxime Oquab, Léon Bottou, Ivan Laptev and Josef Sivic, 2015, "Is Object
Localization for Free? Weakly-Supervised Learning with Convolutional Neural Networks". The layers are our own, as few as
digits need. Away from the border, and by multiples of 2 to the power of depth - 1 pixels, moving an image changes
nothing.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn


class GlobalCNN(nn.Module):
    """Images with `channels` channels to `num_classes` logits. `width` is the number of channels of the first of
    `depth` convolutions; each later one has twice as many and sees maps of half the side. `pool`: `max` or `mean`.
    Raises ValueError for another pool, or a depth below 1.

    The rest of what the halvings don't divide is pooled as well, so that any side fits.
    """

    smallest_side: ClassVar[int] = 1

    def __init__(self, *, channels: int, num_classes: int, width: int = 16, depth: int = 3, pool: str = "max") -> None:
        super().__init__()
        if depth < 1 or pool not in ("max", "mean"):
            raise ValueError(f"needs a depth of at least 1 and the pool max or mean, not {depth} and {pool!r}")
        layers: list[nn.Module] = []
        have = channels
        for stage in range(depth):
            if stage:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
            layers += [nn.Conv2d(have, width * 2**stage, kernel_size=3, padding=1), nn.ReLU()]
            have = width * 2**stage
        self.features = nn.Sequential(*layers)
        self.pool = pool
        self.classifier = nn.Linear(have, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, num_classes)"""
        maps = self.features(images)  # (B, width * 2 ** (depth - 1), ceil(H / 2 ** (depth - 1)), ...)
        pooled = maps.amax(dim=(2, 3)) if self.pool == "max" else maps.mean(dim=(2, 3))
        return self.classifier(pooled)
