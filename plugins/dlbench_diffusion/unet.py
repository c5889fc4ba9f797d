"""The U-Net of Ho, Jain & Abbeel 2020, "Denoising Diffusion Probabilistic Models": residual blocks that know the time.

With `width=128, mults=(1, 2, 2, 2), blocks=2, attention=16` on 3 x 32 x 32 it is the published network for CIFAR-10,
with its 35,746,307 parameters. Narrower ones have fewer groups in their normalisation: at least four channels in each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .embeddings import Sinusoids

GROUPS = 32


class UNet(nn.Module):
    """Pictures (B, channels, H, W), times (B,) from 0 to 1000, and classes int64 (B,) where there are some -> pictures.

    `mults`: the channels at each level as multiples of `width`, each level half as large as the one before; `blocks` on
    each level on the way down, and one more on the way up. `attention`: the height of maps whose places look at each
    other, as those of the coarsest level then do too; 0 for none. `side` is the pictures' height. Raises ValueError
    for sizes that can't be.
    """

    def __init__(
        self, *, channels: int, side: int, width: int = 128, mults: Sequence[int] = (1, 2, 2, 2), blocks: int = 2,
        attention: int = 16, dropout: float = 0.0, num_classes: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        if width < 4 or width % 4 or blocks < 1 or not mults or min(mults) < 1 or not 0 <= dropout < 1:
            raise ValueError("needs a width divisible by 4, mults and blocks of at least 1, and a dropout from 0 to 1")
        self.sinusoids = Sinusoids(width)
        self.times = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width))
        self.classes = nn.Embedding(num_classes, 4 * width) if num_classes else None
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        sizes = {"times": 4 * width, "dropout": dropout}
        have, kept = width, [width]
        for level, mult in enumerate(mults):
            looks = attention > 0 and side >> level == attention
            for _ in range(blocks):
                self.down.append(Block(have, mult * width, looks=looks, **sizes))
                have = mult * width
                kept.append(have)
            if level < len(mults) - 1:
                self.down.append(Halve(have))
                kept.append(have)
        self.middle = nn.ModuleList([Block(have, have, looks=attention > 0, **sizes), Block(have, have, **sizes)])
        for level, mult in reversed(list(enumerate(mults))):
            looks = attention > 0 and side >> level == attention
            for _ in range(blocks + 1):
                self.up.append(Block(have + kept.pop(), mult * width, looks=looks, **sizes))
                have = mult * width
            if level:
                self.up.append(Double(have))
        self.last = nn.Sequential(norm(have), nn.SiLU(), nn.Conv2d(have, channels, 3, padding=1))
        self.apply(_begin)
        for module in self.modules():
            if isinstance(module, (Block, Attention)):
                nn.init.zeros_(module.ends.weight)
        nn.init.zeros_(self.last[-1].weight)

    def forward(self, pictures: Tensor, times: Tensor, classes: Tensor | None = None) -> Tensor:
        known = self.times(self.sinusoids(times))
        if self.classes is not None:
            known = known + self.classes(classes)
        known = F.silu(known)
        maps = self.first(pictures)
        kept = [maps]
        for module in self.down:
            maps = module(maps, known)
            kept.append(maps)
        for module in self.middle:
            maps = module(maps, known)
        for module in self.up:
            if isinstance(module, Block):
                maps = torch.cat([maps, kept.pop()], dim=1)
            maps = module(maps, known)
        return self.last(maps)


def norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(GROUPS, channels // 4), channels, eps=1e-6)


class Block(nn.Module):
    """Two convolutions, between which the time is added, beside a shortcut; then, if it `looks`, attention."""

    def __init__(self, channels: int, out: int, *, times: int, dropout: float = 0.0, looks: bool = False) -> None:
        super().__init__()
        self.before = nn.Sequential(norm(channels), nn.SiLU(), nn.Conv2d(channels, out, 3, padding=1))
        self.time = nn.Linear(times, out)
        self.after = nn.Sequential(norm(out), nn.SiLU(), nn.Dropout(dropout))
        self.ends = nn.Conv2d(out, out, 3, padding=1)
        self.shortcut = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)
        self.look = Attention(out) if looks else nn.Identity()

    def forward(self, maps: Tensor, known: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, H, W); `known` is what is known of the time and the class (B, times)."""
        hidden = self.before(maps) + self.time(known)[:, :, None, None]
        return self.look(self.shortcut(maps) + self.ends(self.after(hidden)))


class Attention(nn.Module):
    """Each place of a map looks at all, with one head, beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.asks = nn.Conv2d(channels, 3 * channels, 1)
        self.ends = nn.Conv2d(channels, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        rows = self.asks(self.norm(maps)).flatten(2).transpose(1, 2)  # (B, H * W, 3 * channels)
        queries, keys, values = rows[:, None].chunk(3, dim=3)
        found = F.scaled_dot_product_attention(queries, keys, values)[:, 0]
        return maps + self.ends(found.transpose(1, 2).reshape(maps.shape))


class Halve(nn.Module):
    """(B, C, H, W) -> (B, C, H / 2, W / 2)"""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, maps: Tensor, known: Tensor) -> Tensor:
        return self.layer(maps)


class Double(nn.Module):
    """(B, C, H, W) -> (B, C, 2 H, 2 W)"""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps: Tensor, known: Tensor) -> Tensor:
        return self.layer(F.interpolate(maps, scale_factor=2.0, mode="nearest"))


def _begin(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
