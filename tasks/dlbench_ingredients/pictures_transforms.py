"""How test images are transformed: always in the same way, each image by its own draw.

The strengths are stated here once. They were set by how much they take from networks that were trained on images as
they are, on validation images, and not by what training against them brings back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench_vision.robustness.disturb import Canvas, move

DEGREES = 40.0  # of a rotation, at most, either way
SHIFT = 1 / 6  # of the side, at most, along each axis
RESCALED = 1.8  # the largest factor; the smallest is 1 / RESCALED
STRETCHED = 1.5  # the largest factor of the width, by which the height shrinks
SLANT = 40.0  # degrees by which upright lines lean at most
PAD = 0.1  # of the side: the border of which a window of the image's size is cut
AREA, RATIO = 0.5, 4 / 3  # of a window that is enlarged: its least area, and how much wider than high at most
NOISE = 0.45  # deviation, of the range of values
SIGMA = 1 / 14  # deviation of the blur, of the side
SQUARE = 0.5  # side of what is blanked, of the shorter side
BRIGHT, CONTRAST = 0.7, 0.8  # added at most, of the range; and by how much the factor of contrast differs from 1
PATCH = 0.4  # side of what comes from another image, of the shorter side


@dataclass(frozen=True)
class Pictures:
    """Images (N, C, H, W) uint8 and labels (N,), what they are painted on, the mean value of each channel over the
    training images, and where draws come from, on the CPU."""

    images: Tensor
    labels: Tensor
    canvas: Canvas
    mean: tuple[int, ...]
    generator: torch.Generator

    def draw(self, rows: int) -> Tensor:
        """Numbers from -1 to 1, (rows, N, 1), on the images' device."""
        drawn = 2 * torch.rand((rows, len(self.images), 1), generator=self.generator) - 1
        return drawn.to(self.images.device)


def warped(given: Pictures, xx: Tensor, xy: Tensor, x: Tensor, yx: Tensor, yy: Tensor, y: Tensor) -> Tensor:
    """Each pixel, at (u, v) sides to the right of and below the centre, comes from (xx u + xy v + x, yx u + yy v + y);
    all (N, 1). Outside lies the background."""
    height, width = given.images.shape[2:]
    rows = torch.cat([xx, xy * (height / width), 2 * x, yx * (width / height), yy, 2 * y], dim=1)
    grid = F.affine_grid(rows.view(-1, 2, 3), list(given.images.shape), align_corners=False)
    background = torch.tensor(given.canvas.background, device=grid.device, dtype=grid.dtype).view(1, -1, 1, 1)
    found = F.grid_sample(given.images.float() - background, grid, align_corners=False) + background
    return rounded(given, found)


def rounded(given: Pictures, images: Tensor) -> Tensor:
    return images.round().clamp(0, given.canvas.top).to(torch.uint8)


def factors(draws: Tensor, most: float) -> Tensor:
    """From 1 / `most` to `most`, evenly on the logarithm."""
    return (draws * math.log(most)).exp()


def rotated(given: Pictures) -> Tensor:
    angles = given.draw(1)[0] * math.radians(DEGREES)
    zero = torch.zeros_like(angles)
    return warped(given, angles.cos(), -angles.sin(), zero, angles.sin(), angles.cos(), zero)


def translated(given: Pictures) -> Tensor:
    x, y = given.draw(2) * SHIFT
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return warped(given, one, zero, x, zero, one, y)


def rescaled(given: Pictures) -> Tensor:
    shrunk = factors(given.draw(1)[0], RESCALED)
    zero = torch.zeros_like(shrunk)
    return warped(given, shrunk, zero, zero, zero, shrunk, zero)


def stretched(given: Pictures) -> Tensor:
    shrunk = factors(given.draw(1)[0], STRETCHED)
    zero = torch.zeros_like(shrunk)
    return warped(given, shrunk, zero, zero, zero, 1 / shrunk, zero)


def sheared(given: Pictures) -> Tensor:
    slopes = (given.draw(1)[0] * math.radians(SLANT)).tan()
    one, zero = torch.ones_like(slopes), torch.zeros_like(slopes)
    return warped(given, one, slopes, zero, zero, one, zero)


def flipped(given: Pictures) -> Tensor:
    """Left to right, about half of them."""
    which = given.draw(1)[0] > 0
    return torch.where(which[:, :, None, None], given.images.flip(3), given.images)


def cropped(given: Pictures) -> Tensor:
    """A window of the image's size out of the image with a border: a move by whole pixels."""
    pad = max(1, round(PAD * min(given.images.shape[2:])))
    down, right = torch.randint(-pad, pad + 1, (2, len(given.images)), generator=given.generator)
    device = given.images.device
    return move(given.images, down.to(device), right.to(device), given.canvas)


def zoomed(given: Pictures) -> Tensor:
    """A window of `AREA` to 1 of the image, enlarged to its size."""
    drawn, ratio, x, y = given.draw(4)
    side = (1 - (1 - AREA) * (drawn + 1) / 2).sqrt()
    shape = factors(ratio, RATIO).sqrt()
    wide, high = (side * shape).clamp(max=1), (side / shape).clamp(max=1)
    zero = torch.zeros_like(wide)
    return warped(given, wide, zero, x * (1 - wide) / 2, zero, high, y * (1 - high) / 2)


def noisy(given: Pictures) -> Tensor:
    noise = torch.randn(given.images.shape, generator=given.generator).to(given.images.device)
    return rounded(given, given.images + noise * (NOISE * given.canvas.top))


def blurred(given: Pictures) -> Tensor:
    sigma = SIGMA * min(given.images.shape[2:])
    radius = math.ceil(3 * sigma)
    places = torch.arange(-radius, radius + 1, dtype=torch.float32, device=given.images.device)
    line = torch.exp(-0.5 * (places / sigma).square())
    line = (line / line.sum()).view(1, 1, 1, -1)
    single = given.images.float().flatten(0, 1)[:, None]  # (N C, 1, H, W)
    padded = F.pad(single, (radius,) * 4, mode="replicate")
    found = F.conv2d(F.conv2d(padded, line), line.transpose(2, 3))
    return rounded(given, found.view(given.images.shape))


def cut(given: Pictures) -> Tensor:
    """A square with its centre on any pixel shows the mean value."""
    mean = torch.tensor(given.mean, dtype=torch.uint8, device=given.images.device).view(1, -1, 1, 1)
    return torch.where(_square(given, SQUARE, whole=False), mean, given.images)


def brightness(given: Pictures) -> Tensor:
    """Other brightness and contrast about the image's mean, and cut off where the range ends."""
    added, factor = (given.draw(2) * torch.tensor([BRIGHT * given.canvas.top, CONTRAST]).view(2, 1, 1))[..., None, None]
    values = given.images.float()
    mean = values.mean(dim=(1, 2, 3), keepdim=True)
    return rounded(given, mean + (1 + factor) * (values - mean) + added)


def patched(given: Pictures) -> Tensor:
    """A square of the image, a sixth of a square image, comes from the same place of an image of another class."""
    count = len(given.images)
    order = torch.randperm(count, generator=given.generator)
    labels = given.labels.cpu()
    for _ in range(20):  # a few draws more for those that met their own class
        same = (labels[order] == labels).nonzero().flatten()
        order[same] = torch.randint(count, (len(same),), generator=given.generator)
    return torch.where(_square(given, PATCH, whole=True), given.images[order.to(given.images.device)], given.images)


def _square(given: Pictures, share: float, *, whole: bool) -> Tensor:
    """A square of each image, bool (N, 1, H, W); `whole`: none of it lies outside."""
    count, _, height, width = given.images.shape
    side = round(share * min(height, width))
    if whole:
        top = torch.randint(height - side + 1, (count, 1), generator=given.generator)
        left = torch.randint(width - side + 1, (count, 1), generator=given.generator)
    else:
        top = torch.randint(height, (count, 1), generator=given.generator) - side // 2
        left = torch.randint(width, (count, 1), generator=given.generator) - side // 2
    rows, columns = torch.arange(height), torch.arange(width)
    inside = ((rows >= top) & (rows < top + side))[:, :, None] & ((columns >= left) & (columns < left + side))[:, None]
    return inside[:, None].to(given.images.device)


TRANSFORMS: Mapping[str, Callable[[Pictures], Tensor]] = {
    "rotated": rotated, "translated": translated, "rescaled": rescaled, "stretched": stretched, "sheared": sheared,
    "flipped": flipped, "cropped": cropped, "zoomed": zoomed, "noisy": noisy, "blurred": blurred, "cut": cut,
    "brightness": brightness, "patched": patched,
}  # fmt: skip
