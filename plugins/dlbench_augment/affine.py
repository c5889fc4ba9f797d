"""One batched gather for everything that moves, turns, scales or slants images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Number = Tensor | float
PADDING = {"zero": "zeros", "edge": "border"}


def maps(
    count: int, *, xx: Number = 1.0, xy: Number = 0.0, x: Number = 0.0, yx: Number = 0.0, yy: Number = 1.0,
    y: Number = 0.0,
) -> Tensor:  # fmt: skip
    """Where each pixel of a new image comes from, (6, count) on the CPU: at (u, v) pixels to the right of and below the
    centre, from (xx u + xy v + x, yx u + yy v + y). Each is one number, or one for each image (count,)."""
    rows = [torch.as_tensor(value, dtype=torch.float32).expand(count) for value in (xx, xy, x, yx, yy, y)]
    return torch.stack(rows)


def warp(images: Tensor, sources: Tensor, fill: str) -> Tensor:
    """Images (B, C, H, W), each drawn anew by its column of `sources` (6, B), see `maps`, with bilinear interpolation.
    What comes in from outside is 0, the mean of normalised images, or repeats the nearest edge (`fill`).

    The grid is one sum of complex numbers, x + iy, because the product in `F.affine_grid` takes longer than sampling.
    """
    height, width = images.shape[2:]
    dtype = images.dtype if images.dtype == torch.float64 else torch.float32
    # a grid's coordinates run from -1 to 1 along each side
    scale = torch.tensor([2 / width] * 3 + [2 / height] * 3, dtype=torch.float32)[:, None]
    moved = (sources * scale).to(dtype).to(images.device, non_blocking=True)
    across, down, origin = torch.complex(moved[:3], moved[3:])[:, :, None]  # (B, 1) each
    columns = torch.arange(width, dtype=dtype, device=images.device) - (width - 1) / 2
    rows = torch.arange(height, dtype=dtype, device=images.device) - (height - 1) / 2
    grid = torch.view_as_real((across * columns)[:, None] + (down * rows + origin)[:, :, None])  # (B, H, W, 2)
    return F.grid_sample(images, grid.to(images.dtype), padding_mode=PADDING[fill], align_corners=False)
