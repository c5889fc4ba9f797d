"""Vision Transformer: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words: Transformers for Image Recognition at
Scale".

Differs from the paper: far smaller, no pre-training, patches that follow the image's size, a classifier that does not
start at zero, and positions that start as large as the embedded patches (the paper's 0.02 fits its width of 768: at 64
the network would take long to tell one place from another).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .block import Block

LARGEST_PATCH = 16
POSITION_STD = 0.5


def choose_patch(size: tuple[int, int]) -> int:
    """The smallest patch that cuts an image of `size` = (height, width) into 16 to 64 tokens (2 for 8x8, 4 for 28x28
    and 32x32); where there is none up to 16, the one that comes nearest to it (16 for 224x224)."""
    height, width = size
    divisors = [p for p in range(1, LARGEST_PATCH + 1) if height % p == 0 and width % p == 0]
    tokens = {p: (height // p) * (width // p) for p in divisors}
    fitting = [p for p in divisors if p > 1 and 16 <= tokens[p] <= 64]
    return fitting[0] if fitting else min(divisors, key=lambda p: abs(math.log(tokens[p] / 32)))


class ViT(nn.Module):
    """Image (B, channels, height, width) -> logits (B, num_classes).

    `patch` is the side of a square patch, None for `choose_patch(size)`. `positions`: `learned`, or None: then patches
    are a set, and the answer is the same in whatever order they lie. Raises ValueError where a patch does not divide
    both sides of the image, `heads` does not divide `width`, or for other positions.
    """

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        num_classes: int,
        patch: int | None = None,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.0,
        positions: str | None = "learned",
    ) -> None:
        super().__init__()
        if positions not in ("learned", None):
            raise ValueError(f"positions are learned or None, not {positions!r}")
        patch = choose_patch(size) if patch is None else patch
        if size[0] % patch or size[1] % patch:
            raise ValueError(f"an image of {size[0]}x{size[1]} can't be cut into patches of side {patch}")
        num_patches = (size[0] // patch) * (size[1] // patch)
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + num_patches, width)) if positions else None
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(width=width, heads=heads, dropout=dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)
        self.apply(_init_weights)
        if self.positions is not None:
            nn.init.normal_(self.positions, std=POSITION_STD)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)  # (B, patches, width)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1)  # (B, 1 + patches, width)
        if self.positions is not None:
            x = x + self.positions
        x = self.blocks(self.dropout(x))
        return self.head(self.norm(x[:, 0]))


def _init_weights(module: nn.Module) -> None:
    """Xavier weights and zero biases in linear layers; the convolution keeps torch's own, for its fan-in."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
