"""MLP-Mixer: two perceptrons in turns, one over the patches of an image and one over the channels of a patch.

Ilya Tolstikhin, Neil Houlsby, Alexander Kolesnikov, Lucas Beyer, Xiaohua Zhai and others, 2021, "MLP-Mixer: An all-MLP
Architecture for Vision". With patches of 16x16 and 1000 classes at 224x224: 18,528,264 parameters at width 512 and 8
blocks (S/16), 59,880,472 at 768 and 12 (B/16).

What differs: far smaller, patches that follow the image's size, no stochastic depth.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

LARGEST_PATCH = 16
EPS = 1e-6


def choose_patch(size: tuple[int, int]) -> int:
    """The smallest patch that cuts an image of `size` = (height, width) into 16 to 64 tokens (2 for 8x8, 4 for 28x28
    and 32x32); where there is none up to 16, the one that comes nearest to it (16 for 224x224)."""
    height, width = size
    tokens = {
        p: (height // p) * (width // p) for p in range(1, LARGEST_PATCH + 1) if height % p == 0 and width % p == 0
    }
    fitting = [p for p in tokens if p > 1 and 16 <= tokens[p] <= 64]
    return fitting[0] if fitting else min(tokens, key=lambda p: abs(math.log(tokens[p] / 32)))


class MLPMixer(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. `width` is the number of
    channels of a patch; the perceptrons have half of it inside over patches, and four times it over channels. `patch`
    is the side of a patch, None for `choose_patch(size)`. Raises ValueError where it doesn't divide both sides."""

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        num_classes: int,
        patch: int | None = None,
        width: int = 64,
        depth: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        patch = choose_patch(size) if patch is None else patch
        if patch < 1 or size[0] % patch or size[1] % patch:
            raise ValueError(f"an image of {size[0]}x{size[1]} can't be cut into patches of side {patch}")
        num_patches = (size[0] // patch) * (size[1] // patch)
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.blocks = nn.Sequential(
            *(Block(num_patches=num_patches, width=width, dropout=dropout) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.classifier = nn.Linear(width, num_classes)
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        x = self.patches(images).flatten(2).transpose(1, 2)  # (B, num_patches, width)
        return self.classifier(self.norm(self.blocks(x)).mean(dim=1))


class Block(nn.Module):
    """x + over_patches(norm(x)), then x + over_channels(norm(x))."""

    def __init__(self, *, num_patches: int, width: int, dropout: float) -> None:
        super().__init__()
        self.patch_norm = nn.LayerNorm(width, eps=EPS)
        self.over_patches = _perceptron(num_patches, max(1, width // 2), dropout)
        self.channel_norm = nn.LayerNorm(width, eps=EPS)
        self.over_channels = _perceptron(width, 4 * width, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, num_patches, width) -> the same"""
        x = x + self.over_patches(self.patch_norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.over_channels(self.channel_norm(x))


def _perceptron(features: int, inner: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(features, inner), nn.GELU(), nn.Dropout(dropout), nn.Linear(inner, features), nn.Dropout(dropout)
    )
