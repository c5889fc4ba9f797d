"""A small network that is made to reach a given accuracy soon: the first layer knows the data's patches from the start.

Keller Jordan, 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single A100" (airbench94): 2x2 patches whitened by frozen
filters, three blocks of two 3x3 convolutions with batch normalisation and GELU, convolutions that start as the
identity, logits divided by 9, channels last.

What differs: a quarter of the width and blocks of 1, 2 and 2 times `width` channels in place of 1, 4 and 4, for a CPU
(146,432 parameters for ten classes of colour images, where the paper has two millions); the filters come from the first
training batch, not from 5,000 images, and have no biases, so that no gradient goes back to the largest maps; norms have
a trained scale, and their biases no learning rate of their own.
Where halving would leave a single pixel, it is left out.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PATCH = 2
SMALL = 5e-4  # added to the patches' variances, in the images' unit: what hardly varies is not blown up
MOMENTUM = 0.4  # of the norms' running statistics: training is short, and judged on the way
LOGIT_SCALE = 1 / 9


class AirNet(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. Three blocks of `depth`
    convolutions have 1, 2 and 2 times `width` channels. Raises ValueError for a depth below 1.

    The first layer takes its filters from the first images that it sees in training; until then they are random, and
    from then on they stay. They travel with the `state_dict`.
    """

    smallest_side: ClassVar[int] = 3

    def __init__(
        self, *, channels: int, size: tuple[int, int], num_classes: int, depth: int = 2, width: int = 32
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"needs at least one convolution in a block, not {depth}")
        self.stem = WhitenedPatches(channels=channels)
        have, side = self.stem.out_channels, min(size) - PATCH + 1
        blocks: list[nn.Module] = []
        for factor in (1, 2, 2):
            for index in range(depth):
                halve = index == 0 and side > 2
                blocks.append(_layer(have, factor * width, halve=halve))
                side = side // 2 if halve else side
                have = factor * width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(have, num_classes, bias=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        maps = self.blocks(self.stem(images.contiguous(memory_format=torch.channels_last)))
        return self.head(maps.amax(dim=(2, 3))) * LOGIT_SCALE


class WhitenedPatches(nn.Module):
    """GELU of what 2x2 patches have along each of their principal directions, divided by its standard deviation, and
    of the same with the other sign."""

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        directions = channels * PATCH**2
        self.out_channels = 2 * directions
        self.fitted = False
        first = torch.empty(directions, directions)
        nn.init.orthogonal_(first)
        self.register_buffer("filters", _both_signs(first, channels))

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out_channels, H - 1, W - 1)"""
        if self.training and not self.fitted:
            self.fit(images)
        return F.gelu(F.conv2d(images, self.filters))

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Take the filters from the patches of these images (B, channels, H, W)."""
        with torch.autocast(images.device.type, enabled=False):
            patches = F.unfold(images.float(), PATCH).transpose(1, 2).flatten(0, 1)  # (patches, 4 channels)
            values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
            whitening = vectors.T / (values.clamp_min(0) + SMALL).sqrt()[:, None]
            self.filters.copy_(_both_signs(whitening, images.shape[1]))
        self.fitted = True

    def get_extra_state(self) -> dict[str, Any]:
        return {"fitted": self.fitted}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.fitted = bool(state["fitted"])


def _both_signs(directions: Tensor, channels: int) -> Tensor:
    filters = directions.view(-1, channels, PATCH, PATCH)
    return torch.cat([filters, -filters])


def _layer(channels: int, out: int, *, halve: bool) -> nn.Sequential:
    """Convolution, perhaps pooling, norm, GELU. As far as there are channels, the convolution passes on its input at
    first; the other filters are torch's."""
    conv = nn.Conv2d(channels, out, kernel_size=3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[:channels])
    pool = [nn.MaxPool2d(2)] if halve else []
    return nn.Sequential(conv, *pool, nn.BatchNorm2d(out, momentum=MOMENTUM), nn.GELU())
