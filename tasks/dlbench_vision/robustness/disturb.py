"""Images moved by whole pixels, rotated, scaled, and with noise: always in the same way for the same seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

DIRECTIONS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """`pixels`: how far an image is moved, in one of eight directions. `degrees`: how far it is rotated at most, either
    way. `scale`: how much larger or smaller it gets at most, 0.2 for a factor from 1 / 1.2 to 1.2. `noise`: standard
    deviation of the normal noise on each pixel, as a share of the range of values."""

    pixels: int = 0
    degrees: float = 0.0
    scale: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True)
class Canvas:
    """What images are painted on. `background`: a value for each channel, which fills what comes in from outside;
    `top`: the highest value of a pixel."""

    background: tuple[int, ...]
    top: int


def canvas_of(images: Tensor) -> Canvas:
    """The median of the outermost pixels of each channel, and the highest value, of images (N, C, H, W) uint8."""
    border = torch.cat([images[:, :, [0, -1]].flatten(2), images[:, :, :, [0, -1]].flatten(2)], dim=2)  # (N, C, 2H+2W)
    return Canvas(tuple(border.transpose(0, 1).flatten(1).median(dim=1).values.tolist()), int(images.max()))


def disturb(images: Tensor, how: Disturbance, canvas: Canvas, seed: int) -> Tensor:
    """Images (N, C, H, W) uint8, each rotated and scaled, then moved, then with noise. All draws come from `seed`, on
    the CPU, so that they are the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    parts = [_disturb(part, how, canvas, generator) for part in images.split(AT_ONCE)]
    return torch.cat(parts)


def _disturb(images: Tensor, how: Disturbance, canvas: Canvas, generator: torch.Generator) -> Tensor:
    count = len(images)
    if how.degrees or how.scale:
        angles, sizes = 2 * torch.rand((2, count), generator=generator) - 1  # -1 to 1
        factors = torch.exp(sizes * math.log1p(how.scale))
        images = turn(images, (angles * math.radians(how.degrees)).to(images.device), factors.to(images.device), canvas)
    if how.pixels:
        chosen = torch.randint(len(DIRECTIONS), (count,), generator=generator)
        down, right = (torch.tensor(DIRECTIONS)[chosen] * how.pixels).to(images.device).unbind(1)
        images = move(images, down, right, canvas)
    if how.noise:
        noise = torch.randn(images.shape, generator=generator).to(images.device) * (how.noise * canvas.top)
        images = (images + noise).round().clamp(0, canvas.top).to(torch.uint8)
    return images


def move(images: Tensor, down: Tensor, right: Tensor, canvas: Canvas) -> Tensor:
    """Images (N, C, H, W), each moved by its own whole numbers of pixels `down` and `right` (N,)."""
    count, channels, height, width = images.shape
    rows = torch.arange(height, device=images.device) - down[:, None]  # (N, H): where each row comes from
    columns = torch.arange(width, device=images.device) - right[:, None]
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None, None]
    places = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None]  # (N, H, W)
    index = places.view(count, 1, -1).expand(-1, channels, -1)
    moved = images.flatten(2).gather(2, index).view(images.shape)
    return torch.where(inside, moved, _background(images, canvas))


def turn(images: Tensor, angles: Tensor, factors: Tensor, canvas: Canvas) -> Tensor:
    """Images (N, C, H, W) uint8, each rotated about its centre by `angles` (radians) and enlarged by `factors` (N,),
    with bilinear interpolation and rounded."""
    height, width = images.shape[2:]
    cos, sin = angles.cos() / factors, angles.sin() / factors
    zero = torch.zeros_like(cos)
    # a grid's coordinates run from -1 to 1 along both sides, whatever their lengths
    rows = torch.stack([cos, -sin * (height / width), zero, sin * (width / height), cos, zero], dim=1)
    grid = F.affine_grid(rows.view(-1, 2, 3), list(images.shape), align_corners=False)
    background = _background(images, canvas).float()
    turned = F.grid_sample(images.float() - background, grid, align_corners=False) + background
    return turned.round().clamp(0, 255).to(torch.uint8)


def _background(images: Tensor, canvas: Canvas) -> Tensor:
    """(1, C, 1, 1)"""
    return torch.tensor(canvas.background, dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
