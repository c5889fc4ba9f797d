"""Swin: a Transformer whose attention stays within windows that shift from block to block, in stages like a CNN's.

Ze Liu, Yutong Lin, Yue Cao, Han Hu, Yixuan Wei, Zheng Zhang, Stephen Lin and Baining Guo, 2021, "Swin Transformer:
Hierarchical Vision Transformer using Shifted Windows". 12 blocks of width 96 with patches of 4x4, windows of 7x7 and
1000 classes (Swin-T) have 28,288,354 parameters.

What differs: far smaller, with windows and patches that follow the image's size, weights after Glorot and Bengio (the
paper's 0.02 fits wide layers), no stochastic depth. Maps that windows don't divide are padded, as in the authors' code
for detection, and the padding is seen.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGE = 64
HEAD = 32  # the paper's width of a head


class Swin(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits.

    `width` is that of the first stage, and doubles with each. `depth`: the number of blocks, even, two in each stage
    and the rest in the third: 6 have three stages, 12 are Swin-T's 2, 2, 6, 2. `heads` are the first stage's, and
    double too; None for the divisor of `width` that comes nearest to heads of 32. `window`: the side in patches, None
    for 7 from images with a side of 64 on, else 4. `patch`: the side in pixels, None for 4 there, else 2, and 1 below
    16.
    Raises ValueError for a depth that is odd or below 6, or heads that don't divide the width.
    """

    smallest_side: ClassVar[int] = 4

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        num_classes: int,
        width: int = 24,
        depth: int = 6,
        heads: int | None = None,
        window: int | None = None,
        patch: int | None = None,
    ) -> None:
        super().__init__()
        side = min(size)
        patch = patch or (4 if side >= LARGE else 2 if side >= 16 else 1)
        window = window or (7 if side >= LARGE else 4)
        heads = heads or choose_heads(width)
        if depth < 6 or depth % 2 or width % heads:
            raise ValueError(f"needs an even depth of 6 or more and heads that divide the width, not {depth}, {heads}")
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.patch_norm = nn.LayerNorm(width)
        grid = (size[0] // patch, size[1] // patch)
        layers: list[nn.Module] = []
        for stage, num_blocks in enumerate((2, 2, 2) if depth == 6 else (2, 2, depth - 6, 2)):
            if stage:
                layers.append(Merge(width=width))
                width, heads, grid = 2 * width, 2 * heads, (-(-grid[0] // 2), -(-grid[1] // 2))
            layers += [
                Block(width=width, heads=heads, grid=grid, window=window, shift=window // 2 * (index % 2))
                for index in range(num_blocks)
            ]
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, num_classes)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        x = self.patch_norm(self.patches(images).permute(0, 2, 3, 1))  # (B, H, W, width)
        return self.classifier(self.norm(self.layers(x)).mean(dim=(1, 2)))


def choose_heads(width: int) -> int:
    """The divisor of `width` that comes nearest to width / 32, of two as near the smaller: 3 for 96."""
    return min((h for h in range(1, width + 1) if width % h == 0), key=lambda h: (abs(h - width / HEAD), h))


class Block(nn.Module):
    """x + attention(norm(x)) within windows, then x + feed(norm(x))."""

    def __init__(self, *, width: int, heads: int, grid: tuple[int, int], window: int, shift: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = WindowAttention(width=width, heads=heads, grid=grid, window=window, shift=shift)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, width) -> the same"""
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed(self.feed_norm(x))


class WindowAttention(nn.Module):
    """Every place sees those of its window, with a learnt bias for each relative position. `shift` moves the windows
    down and right, and around the border; places that came together around it don't see each other. A side with a
    single window isn't shifted."""

    def __init__(self, *, width: int, heads: int, grid: tuple[int, int], window: int, shift: int) -> None:
        super().__init__()
        self.window, self.heads = window, heads
        self.padded = tuple(-(-side // window) * window for side in grid)
        self.shifts = tuple(shift if side > window else 0 for side in self.padded)
        self.biases = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        nn.init.trunc_normal_(self.biases, std=0.02)
        self.register_buffer("relative", _relative_positions(window), persistent=False)
        self.register_buffer("apart", self._apart() if any(self.shifts) else None, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, width) -> the same"""
        height, breadth = x.shape[1:3]
        x = F.pad(x, (0, 0, 0, self.padded[1] - breadth, 0, self.padded[0] - height))
        if any(self.shifts):
            x = x.roll((-self.shifts[0], -self.shifts[1]), dims=(1, 2))
        x = self._joined(self._attend(self._windows(x)), len(x))
        if any(self.shifts):
            x = x.roll(self.shifts, dims=(1, 2))
        return x[:, :height, :breadth]

    def _attend(self, x: Tensor) -> Tensor:
        """(B, windows, places, width) -> the same"""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)  # (B, windows, heads, T, D)
        bias = self.biases[self.relative].permute(2, 0, 1)  # (heads, T, T)
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1) + bias
        if self.apart is not None:
            scores = scores.masked_fill(self.apart[:, None], float("-inf"))
        return self.out((scores.softmax(dim=-1) @ v).transpose(2, 3).flatten(3))

    def _windows(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, windows, places, C)"""
        x = x.unflatten(2, (-1, self.window)).unflatten(1, (-1, self.window))  # (B, rows, w, columns, w, C)
        return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)

    def _joined(self, x: Tensor, count: int) -> Tensor:
        """(B, windows, places, C) -> (B, H, W, C)"""
        rows, columns = (side // self.window for side in self.padded)
        x = x.view(count, rows, columns, self.window, self.window, -1)
        return x.transpose(2, 3).reshape(count, *self.padded, -1)

    def _apart(self) -> Tensor:
        """Which places of each window mustn't see each other, (windows, places, places)."""
        region = torch.zeros(1, *self.padded, 1, dtype=torch.long)
        for dim, shift in enumerate(self.shifts, start=1):
            around = torch.arange(self.padded[dim - 1]) >= self.padded[dim - 1] - shift
            region = 2 * region + around.view([-1 if d == dim else 1 for d in range(4)])
        region = self._windows(region)[0, :, :, 0]
        return region[:, :, None] != region[:, None, :]


class Merge(nn.Module):
    """Four neighbours become one place of twice the width; an odd side is padded."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, width) -> (B, ceil(H / 2), ceil(W / 2), 2 * width)"""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        quarters = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduce(self.norm(torch.cat(quarters, dim=-1)))


def _relative_positions(window: int) -> Tensor:
    """Which bias two places of a window get, (places, places)."""
    places = torch.cartesian_prod(torch.arange(window), torch.arange(window))  # (places, 2)
    between = places[:, None] - places[None] + window - 1
    return between[..., 0] * (2 * window - 1) + between[..., 1]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
