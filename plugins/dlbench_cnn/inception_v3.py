"""Inception v3: large filters taken apart into small and narrow ones.

Christian Szegedy, Vincent Vanhoucke, Sergey Ioffe, Jonathon Shlens and Zbigniew Wojna, 2016, "Rethinking the Inception
Architecture for Computer Vision", in torchvision's form. At width 192, nine modules and 1000 classes there are
23,834,568 parameters, and 3,326,696 more in the auxiliary head.

What differs: images with a side below 75 get first layers without stride, one pooling in place of two, and padding
wherever the paper has none; where halving would leave a single pixel, it is left out. With fewer than nine modules the
first and the last of each stage are the paper's.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from .inception_parts import Branches, chain, conv, initialise, pooled, split

LARGE, FULL = 75, 192  # the side from which on the paper's first layers are used, the paper's width
MODULES = (3, 4, 2)


class InceptionV3(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. `width`: channels after the
    first layers; all others follow. `depth`: modules in all, without the two that halve the maps. With `auxiliary`,
    `all_logits` gives those of a further head, for training. Raises ValueError for a depth below 3."""

    smallest_side: ClassVar[int] = 2

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        num_classes: int,
        depth: int = 5,
        width: int = 24,
        auxiliary: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        large, side = min(size) >= LARGE, min(size)
        plan = _Plan(width, padded=not large)
        first, second, third = split(depth, MODULES)
        self.stem = plan.large_stem(channels) if large else plan.small_stem(channels, pool=side > 2)
        have = plan(192)
        side = (side - 3) // 8 if large else -(-side // 2) if side > 2 else side
        near: list[nn.Module] = []
        for index in range(first):
            near.append(plan.square(have, after=32 if index == 0 else 64))
            have = plan(64, 64, 96, 32 if index == 0 else 64)
        near.append(plan.halve_first(have, halve=side > 2))
        have += plan(384, 96)
        side = -(-side // 2) if side > 2 else side
        for index in range(second):
            near.append(plan.narrow(have, 128 if index == 0 else 192 if index == second - 1 else 160))
            have = plan(192, 192, 192, 192)
        self.near = nn.Sequential(*near)
        far: list[nn.Module] = [plan.halve_second(have, halve=side > 2)]
        self.head = Head(channels=have, num_classes=num_classes, plan=plan) if auxiliary else None
        have += plan(320, 192)
        for _ in range(third):
            far.append(plan.wide(have))
            have = plan(320, 384, 384, 384, 384, 192)
        self.far = nn.Sequential(*far)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(have, num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        return self._classify(self.near(self.stem(images)))

    def all_logits(self, images: Tensor) -> list[Tensor]:
        """The network's own logits, then those of the auxiliary head, each (B, num_classes)."""
        maps = self.near(self.stem(images))
        return [self._classify(maps), *([self.head(maps)] if self.head is not None else [])]

    def _classify(self, maps: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.far(maps).mean(dim=(2, 3))))


class Head(nn.Module):
    """The auxiliary classifier on means of 5x5 places; where the maps are smaller, on 5x5 means of them."""

    def __init__(self, *, channels: int, num_classes: int, plan: _Plan) -> None:
        super().__init__()
        self.convs = nn.Sequential(conv(channels, plan(128), 1), conv(plan(128), plan(768), 5, padded=False))
        self.classifier = nn.Linear(plan(768), num_classes)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, num_classes)"""
        large = min(maps.shape[2:]) >= 17
        maps = F.avg_pool2d(maps, 5, stride=3) if large else F.adaptive_avg_pool2d(maps, 5)
        return self.classifier(self.convs(maps).mean(dim=(2, 3)))


class _Plan:
    """The network's parts at one width. `padded`: also where the paper halves the maps and in its first layers."""

    def __init__(self, width: int, *, padded: bool) -> None:
        self.width, self.padded = width, padded

    def __call__(self, *paper: int) -> int:
        """Channels, or the sum of those of several branches."""
        return sum(max(1, n * self.width // FULL) for n in paper)

    def large_stem(self, channels: int) -> nn.Sequential:
        """(B, channels, H, W) -> (B, width, (H - 3) / 8, (W - 3) / 8)"""
        return nn.Sequential(
            conv(channels, self(32), 3, stride=2, padded=False),
            conv(self(32), self(32), 3, padded=False),
            conv(self(32), self(64), 3),
            nn.MaxPool2d(3, stride=2),
            conv(self(64), self(80), 1),
            conv(self(80), self(192), 3, padded=False),
            nn.MaxPool2d(3, stride=2),
        )

    def small_stem(self, channels: int, *, pool: bool) -> nn.Sequential:
        """(B, channels, H, W) -> (B, width, ceil(H / 2), ceil(W / 2))"""
        pooling = [nn.MaxPool2d(3, stride=2, padding=1)] if pool else []
        first = [conv(channels, self(32), 3), conv(self(32), self(64), 3)]
        return nn.Sequential(*first, *pooling, conv(self(64), self(80), 1), conv(self(80), self(192), 3))

    def square(self, have: int, *, after: int) -> Branches:
        return Branches(
            conv(have, self(64), 1),
            chain(have, [(self(48), 1), (self(64), 5)]),
            chain(have, [(self(64), 1), (self(96), 3), (self(96), 3)]),
            pooled(have, self(after)),
        )

    def halve_first(self, have: int, *, halve: bool) -> Branches:
        stride, padded = (2 if halve else 1), self.padded
        return Branches(
            conv(have, self(384), 3, stride=stride, padded=padded),
            chain(have, [(self(64), 1), (self(96), 3), (self(96), 3)], stride=stride, padded=padded),
            nn.MaxPool2d(3, stride=stride, padding=int(padded)),
        )

    def narrow(self, have: int, inner: int) -> Branches:
        c, out = self(inner), self(192)
        return Branches(
            conv(have, out, 1),
            chain(have, [(c, 1), (c, (1, 7)), (out, (7, 1))]),
            chain(have, [(c, 1), (c, (7, 1)), (c, (1, 7)), (c, (7, 1)), (out, (1, 7))]),
            pooled(have, out),
        )

    def halve_second(self, have: int, *, halve: bool) -> Branches:
        stride, padded, c = (2 if halve else 1), self.padded, self(192)
        return Branches(
            chain(have, [(c, 1), (self(320), 3)], stride=stride, padded=padded),
            chain(have, [(c, 1), (c, (1, 7)), (c, (7, 1)), (c, 3)], stride=stride, padded=padded),
            nn.MaxPool2d(3, stride=stride, padding=int(padded)),
        )

    def wide(self, have: int) -> Branches:
        c = self(384)
        return Branches(
            conv(have, self(320), 1),
            nn.Sequential(conv(have, c, 1), Branches(conv(c, c, (1, 3)), conv(c, c, (3, 1)))),
            nn.Sequential(chain(have, [(self(448), 1), (c, 3)]), Branches(conv(c, c, (1, 3)), conv(c, c, (3, 1)))),
            pooled(have, self(192)),
        )
