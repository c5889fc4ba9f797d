"""Inception v4: the modules of Inception v3, more of them and more alike.

Christian Szegedy, Sergey Ioffe, Vincent Vanhoucke and Alexander Alemi, 2017, "Inception-v4, Inception-ResNet and the
Impact of Residual Connections on Learning". At width 384, fourteen modules and 1000 classes there are 42,679,816
parameters.

What differs: images with a side below 75 get one halving in the first layers in place of three, and padding wherever
the paper has none; where halving would leave a single pixel, it is left out.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from .inception_parts import Branches, chain, conv, initialise, pooled, split

LARGE, FULL = 75, 384  # the side from which on the paper's first layers are used, the paper's width
MODULES = (4, 7, 3)


class InceptionV4(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. `width`: channels after the
    first layers; all others follow. `depth`: modules in all, without the two that halve the maps. Raises ValueError
    for a depth below 3."""

    smallest_side: ClassVar[int] = 2

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        num_classes: int,
        depth: int = 6,
        width: int = 40,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        large, side = min(size) >= LARGE, min(size)
        plan = _Plan(width, padded=not large)
        first, second, third = split(depth, MODULES)
        layers: list[nn.Module] = plan.stem(channels, large=large, pool=side > 2)
        side = (side - 3) // 8 if large else -(-side // 2) if side > 2 else side
        have = plan(96, 96, 192)
        for _ in range(first):
            layers.append(plan.square(have))
            have = plan(96, 96, 96, 96)
        layers.append(plan.halve_first(have, halve=side > 2))
        have += plan(384, 256)
        side = -(-side // 2) if side > 2 else side
        for _ in range(second):
            layers.append(plan.narrow(have))
            have = plan(384, 256, 256, 128)
        layers.append(plan.halve_second(have, halve=side > 2))
        have += plan(192, 320)
        for _ in range(third):
            layers.append(plan.wide(have))
            have = plan(256, 256, 256, 256, 256, 256)
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(have, num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        return self.classifier(self.dropout(self.features(images).mean(dim=(2, 3))))


class _Plan:
    """The network's parts at one width. `padded`: also where the paper halves the maps and in its first layers."""

    def __init__(self, width: int, *, padded: bool) -> None:
        self.width, self.padded = width, padded

    def __call__(self, *paper: int) -> int:
        """Channels, or the sum of those of several branches."""
        return sum(max(1, n * self.width // FULL) for n in paper)

    def stem(self, channels: int, *, large: bool, pool: bool) -> list[nn.Module]:
        """(B, channels, H, W) -> (B, width, (H - 3) / 8, (W - 3) / 8), of small images (B, width, H / 2, W / 2)"""
        padded, have = self.padded, self(64) + self(96)
        early, last = (2 if large else 1), (2 if large or pool else 1)
        first = conv(channels, self(32), 3, stride=early, padded=padded)
        middle = Branches(
            chain(have, [(self(64), 1), (self(96), 3)], padded=padded),
            chain(have, [(self(64), 1), (self(64), (1, 7)), (self(64), (7, 1)), (self(96), 3)], padded=padded),
        )
        return [
            first,
            conv(self(32), self(32), 3, padded=padded),
            conv(self(32), self(64), 3),
            Branches(self._max(2 if large else 1), conv(self(64), self(96), 3, stride=early, padded=padded)),
            middle,
            Branches(conv(self(96, 96), self(192), 3, stride=last, padded=padded), self._max(last)),
        ]

    def _max(self, stride: int) -> nn.MaxPool2d:
        return nn.MaxPool2d(3, stride=stride, padding=int(self.padded))

    def square(self, have: int) -> Branches:
        c = self(96)
        return Branches(
            conv(have, c, 1),
            chain(have, [(self(64), 1), (c, 3)]),
            chain(have, [(self(64), 1), (c, 3), (c, 3)]),
            pooled(have, c, count_border=False),
        )

    def halve_first(self, have: int, *, halve: bool) -> Branches:
        stride, padded = (2 if halve else 1), self.padded
        return Branches(
            conv(have, self(384), 3, stride=stride, padded=padded),
            chain(have, [(self(192), 1), (self(224), 3), (self(256), 3)], stride=stride, padded=padded),
            self._max(stride),
        )

    def narrow(self, have: int) -> Branches:
        c, more, out = self(192), self(224), self(256)
        return Branches(
            conv(have, self(384), 1),
            chain(have, [(c, 1), (more, (1, 7)), (out, (7, 1))]),
            chain(have, [(c, 1), (c, (7, 1)), (more, (1, 7)), (more, (7, 1)), (out, (1, 7))]),
            pooled(have, self(128), count_border=False),
        )

    def halve_second(self, have: int, *, halve: bool) -> Branches:
        stride, padded, c, more = (2 if halve else 1), self.padded, self(256), self(320)
        return Branches(
            chain(have, [(self(192), 1), (self(192), 3)], stride=stride, padded=padded),
            chain(have, [(c, 1), (c, (1, 7)), (more, (7, 1)), (more, 3)], stride=stride, padded=padded),
            self._max(stride),
        )

    def wide(self, have: int) -> Branches:
        c, inner, more, most = self(256), self(384), self(448), self(512)
        return Branches(
            conv(have, c, 1),
            nn.Sequential(conv(have, inner, 1), Branches(conv(inner, c, (1, 3)), conv(inner, c, (3, 1)))),
            nn.Sequential(
                chain(have, [(inner, 1), (more, (3, 1)), (most, (1, 3))]),
                Branches(conv(most, c, (1, 3)), conv(most, c, (3, 1))),
            ),
            pooled(have, c, count_border=False),
        )
