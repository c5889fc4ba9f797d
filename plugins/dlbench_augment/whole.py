"""Mirroring and crops, which take whole pixels and so are exact."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import Augmentation, check_fill, check_range


class Flip(Augmentation):
    """Mirrored left to right (`horizontal`), upside down (`vertical`), or both, each with probability 1/2."""

    name: ClassVar[str] = "flip"
    moves: ClassVar[bool] = True

    def __init__(self, *, horizontal: bool = True, vertical: bool = False) -> None:
        self.horizontal, self.vertical = horizontal, vertical
        self.idle = not (horizontal or vertical)

    def change(self, images: Tensor, generator: torch.Generator) -> Tensor:
        drawn = torch.randint(0, 2, (2, len(images)), generator=generator)
        for way, asked in ((3, self.horizontal), (2, self.vertical)):
            if asked:
                images = mirrored(images, drawn[way - 2], way)
        return images


class Crop(Augmentation):
    """A window of the image's own size, out of the image with a border of `pad` pixels (He et al., 2016): the image
    moves by up to `pad` whole pixels each way, every offset as likely as any other."""

    name: ClassVar[str] = "crop"
    moves: ClassVar[bool] = True

    def __init__(self, *, pad: int = 4, fill: str = "zero") -> None:
        self.pad, self.fill = int(check_range(self.name, "a pad", pad, 0)), check_fill(self.name, fill)
        self.idle = not pad

    def change(self, images: Tensor, generator: torch.Generator) -> Tensor:
        down, right = torch.randint(-self.pad, self.pad + 1, (2, len(images)), generator=generator)
        return moved(images, down, right, self.pad, self.fill)


def mirrored(images: Tensor, which: Tensor, way: int) -> Tensor:
    """Images (B, C, H, W), mirrored along dimension `way` where `which` (B,) on the CPU is 1."""
    side = images.shape[way]
    steps = torch.arange(side)
    places = torch.where(which[:, None].bool(), steps.flip(0), steps).to(images.device, non_blocking=True)  # (B, side)
    shape = (-1, 1, side, 1) if way == 2 else (-1, 1, 1, side)
    return images.gather(way, places.view(shape).expand_as(images))


def moved(images: Tensor, down: Tensor, right: Tensor, pad: int, fill: str) -> Tensor:
    """Images (B, C, H, W), each moved by its own whole numbers of pixels `down` and `right`, int64 (B,) on the CPU, all
    from -`pad` to `pad`."""
    count, channels, height, width = images.shape
    wide = width + 2 * pad
    first = ((pad - down) * wide + pad - right).to(images.device, non_blocking=True)  # of each window in its image
    rows = torch.arange(0, height * wide, wide, device=images.device)
    window = rows[:, None] + torch.arange(width, device=images.device)  # (H, W)
    index = (first[:, None] + window.flatten())[:, None].expand(-1, channels, -1)  # (B, C, H W)
    padded = F.pad(images, (pad,) * 4, mode="replicate" if fill == "edge" else "constant")
    return padded.reshape(count, channels, -1).gather(2, index).view(images.shape)
