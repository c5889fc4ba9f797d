"""The two players of SAGAN.

Zhang, Goodfellow, Metaxas & Odena 2019, "Self-Attention Generative Adversarial Networks": residual blocks under
spectral normalisation in both players, and one layer of self-attention in each, whose share grows from nothing. For
classes the generator has conditional batch norm (Dumoulin, Shlens & Kudlur 2017, "A Learned Representation for Artistic
Style") and the discriminator a projection (Miyato & Koyama 2018, "cGANs with Projection Discriminator"); without them,
batch norm and none.

The paper's pictures are 128x128. The widths here, and where the discriminator halves, are those that Miyato et al. 2018
have for 32x32; attention stands where a picture has half its size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dcgan import smallest
from .spectral import spectral

SMALL = 8  # a discriminator halves until no side that it still could halve is longer


def conv(before: int, after: int, kernel: int) -> nn.Module:
    """A convolution that keeps the size, under spectral normalisation."""
    return spectral(started(nn.Conv2d(before, after, kernel, padding=kernel // 2)))


def linear(before: int, after: int) -> nn.Module:
    """A linear map under spectral normalisation."""
    return spectral(started(nn.Linear(before, after)))


def started(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    """The layer with first weights as Glorot & Bengio have them, and no bias."""
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class SelfAttention(nn.Module):
    """Maps (B, C, H, W) -> the same plus `gamma` times what each place gathers from all places; `gamma` begins at 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 8)
        self.query, self.key, self.value = (conv(channels, inner, 1) for _ in range(3))
        self.output = conv(inner, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor) -> Tensor:
        query, key, value = (layer(maps).flatten(2) for layer in (self.query, self.key, self.value))
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=2)  # (B, places, places), each row sums to 1
        gathered = (value @ weights.transpose(1, 2)).unflatten(2, maps.shape[2:])
        return maps + self.gamma * self.output(gathered)


class Norm(nn.Module):
    """Batch norm of maps (B, C, H, W), with a scale and a shift for each class where `num_classes` isn't 0."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=not num_classes)
        self.scale = self.shift = None
        if num_classes:
            self.scale, self.shift = nn.Embedding(num_classes, channels), nn.Embedding(num_classes, channels)
            nn.init.ones_(self.scale.weight)
            nn.init.zeros_(self.shift.weight)

    def forward(self, maps: Tensor, classes: Tensor | None) -> Tensor:
        maps = self.norm(maps)
        if self.scale is None or self.shift is None:
            return maps
        return maps * self.scale(classes)[:, :, None, None] + self.shift(classes)[:, :, None, None]


class UpBlock(nn.Module):
    """Maps (B, C, H, W) -> (B, C, 2 H, 2 W)."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(Norm(channels, num_classes) for _ in range(2))
        self.first, self.second = conv(channels, channels, 3), conv(channels, channels, 3)
        self.short = conv(channels, channels, 1)

    def forward(self, maps: Tensor, classes: Tensor | None) -> Tensor:
        inner = self.first(doubled(F.relu(self.norms[0](maps, classes))))
        inner = self.second(F.relu(self.norms[1](inner, classes)))
        return inner + doubled(self.short(maps))  # a 1x1 convolution and doubling may change places


def doubled(maps: Tensor) -> Tensor:
    """Each pixel four times."""
    return F.interpolate(maps, scale_factor=2.0)


class DownBlock(nn.Module):
    """Maps (B, before, H, W) -> (B, after, H, W), half as high and wide where it `halves`. `first`: the maps are
    pictures, which no ReLU may cut."""

    def __init__(self, before: int, after: int, *, halves: bool, first: bool = False) -> None:
        super().__init__()
        self.halves, self.first_of_all = halves, first
        self.first, self.second = conv(before, after, 3), conv(after, after, 3)
        self.short = conv(before, after, 1) if halves or before != after else None

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.second(F.relu(self.first(maps if self.first_of_all else F.relu(maps))))
        if self.halves:
            inner, maps = F.avg_pool2d(inner, 2), F.avg_pool2d(maps, 2)
        return inner + (maps if self.short is None else self.short(maps))


class AttentionGenerator(nn.Module):
    """Noise (B, noise), and classes (B,) where `num_classes` isn't 0 -> pictures (B, channels, *size) between -1 and 1.
    `width`: channels of every layer."""

    def __init__(
        self, *, channels: int, size: tuple[int, int], width: int = 128, noise: int = 128, num_classes: int = 0
    ) -> None:
        super().__init__()
        height, wide, count = smallest(size)
        self.first = linear(noise, width * height * wide)
        self.shape = (width, height, wide)
        self.blocks = nn.ModuleList(UpBlock(width, num_classes) for _ in range(count))
        self.attention = SelfAttention(width)
        self.norm = nn.BatchNorm2d(width)
        self.last = conv(width, channels, 3)

    def forward(self, noise: Tensor, classes: Tensor | None = None) -> Tensor:
        maps = self.first(noise).unflatten(1, self.shape)
        for i, block in enumerate(self.blocks, start=1):
            maps = block(self.attention(maps) if i == len(self.blocks) else maps, classes)
        return torch.tanh(self.last(F.relu(self.norm(maps))))


class AttentionDiscriminator(nn.Module):
    """Pictures (B, channels, *size), and classes (B,) where `num_classes` isn't 0 -> one logit each (B,). `width`:
    channels of every layer."""

    def __init__(self, *, channels: int, size: tuple[int, int], width: int = 64, num_classes: int = 0) -> None:
        super().__init__()
        _, _, count = smallest(size)
        halving = max(1, min(count, sum(max(size) >> i > SMALL for i in range(count))))
        blocks = [DownBlock(channels, width, halves=True, first=True)]
        blocks += [DownBlock(width, width, halves=i < halving) for i in range(1, halving + 2)]
        self.blocks = nn.ModuleList(blocks)
        self.attention = SelfAttention(width)
        self.last = linear(width, 1)
        self.projection: nn.Module | None = None
        if num_classes:
            self.projection = nn.Embedding(num_classes, width)
            nn.init.xavier_uniform_(self.projection.weight)
            spectral(self.projection)

    def forward(self, pictures: Tensor, classes: Tensor | None = None) -> Tensor:
        maps = self.attention(self.blocks[0](pictures))
        for block in self.blocks[1:]:
            maps = block(maps)
        found = F.relu(maps).sum(dim=(2, 3))
        logits = self.last(found).squeeze(1)
        return logits if self.projection is None else logits + (self.projection(classes) * found).sum(dim=1)
