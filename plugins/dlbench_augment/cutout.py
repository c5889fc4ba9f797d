"""A square of each image is blanked."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from .base import Augmentation, check_range


class Cutout(Augmentation):
    """A square of `share` of the shorter side, with its centre on any pixel, so that part of it may lie outside, is set
    to 0, the mean of normalised images (DeVries and Taylor, 2017, whose 16 pixels are half of CIFAR-10's side)."""

    name: ClassVar[str] = "cutout"

    def __init__(self, *, share: float = 0.5) -> None:
        self.share = check_range(self.name, "a share", share, 0, 1)
        self.idle = not share

    def change(self, images: Tensor, generator: torch.Generator) -> Tensor:
        count, _, height, width = images.shape
        side = round(self.share * min(height, width))
        if not side:
            return images
        rows = torch.randint(height, (count,), generator=generator) - side // 2
        columns = torch.randint(width, (count,), generator=generator) - side // 2
        length = torch.tensor(side)
        return images * (1 - inside(images, rows, columns, length, length)[0])


def inside(images: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers (B, 1, H, W) on the images' device, 1 where a pixel lies in its image's rectangle, else 0: applied
    faster than a mask. And the rectangles' shares of the area, float32 (B,). The rectangles, int64 (B,) or one number
    for all, are on the CPU and may reach outside."""
    sides = torch.stack(torch.broadcast_tensors(top, top + height, left, left + width))
    top, bottom, left, right = sides.to(images.device, non_blocking=True)[:, :, None]
    rows = torch.arange(images.shape[2], device=images.device)
    columns = torch.arange(images.shape[3], device=images.device)
    in_rows = ((rows >= top) & (rows < bottom)).to(images.dtype)  # (B, H)
    in_columns = ((columns >= left) & (columns < right)).to(images.dtype)
    share = in_rows.float().mean(dim=1) * in_columns.float().mean(dim=1)
    return in_rows[:, None, :, None] * in_columns[:, None, None, :], share
