"""RandAugment: a few operations for each image, all drawn alike and of one magnitude."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from .affine import warp
from .base import Augmentation, check_fill, check_range
from .colour import colour_maps, recoloured

LEVELS = 30.0
GEOMETRIC = {"rotation": math.radians(30), "shear_x": 0.3, "shear_y": 0.3, "translate_x": 0.45, "translate_y": 0.45}
COLOUR = {"brightness": 0.9, "contrast": 0.9, "saturation": 0.9}
STRONGEST = {"identity": 0.0, **GEOMETRIC, **COLOUR}
"""The operations, and how strong each is at the highest level: radians, slopes, shares of the side, deviations, and
what factors differ from 1."""


class RandAugment(Augmentation):
    """`count` operations for each image, each drawn from identity, rotation, shear and translation along either axis,
    brightness, contrast and, of three channels, saturation, all at `magnitude` of 30 and with a sign of their own
    (Cubuk et al., 2020).

    Differs from the paper: posterize, solarize, equalize, auto-contrast and sharpness are left out, most of which need
    the range of raw pixels; what an image's operations do to places is done in one interpolation, and then what they do
    to colours.
    """

    name: ClassVar[str] = "rand_augment"
    moves: ClassVar[bool] = True

    def __init__(self, *, count: int = 2, magnitude: float = 9.0, fill: str = "zero") -> None:
        self.count = int(check_range(self.name, "a count", count, 0))
        self.magnitude = check_range(self.name, "a magnitude", magnitude, 0, LEVELS)
        self.fill = check_fill(self.name, fill)
        self.idle = not count or not magnitude

    def change(self, images: Tensor, generator: torch.Generator) -> Tensor:
        coloured = images.shape[1] == 3
        known = len(STRONGEST) - (not coloured)  # saturation is the last
        kinds = torch.randint(known, (self.count, len(images)), generator=generator)
        signs = torch.randint(0, 2, kinds.shape, generator=generator) * 2 - 1
        strongest = torch.tensor(list(STRONGEST.values())) * (self.magnitude / LEVELS)
        drawn = torch.zeros((len(STRONGEST), *kinds.shape)).scatter_(0, kinds[None], (signs * strongest[kinds])[None])
        amounts = dict(zip(STRONGEST, drawn, strict=True))  # (count, B) each
        height, width = images.shape[2:]
        images = warp(images, sources(amounts, (height, width)), self.fill)
        matrices = None
        if coloured:
            matrices = colour_maps((1 + amounts["saturation"]).prod(0), torch.zeros(len(images)))
        return recoloured(images, amounts["brightness"].sum(0), (1 + amounts["contrast"]).prod(0), matrices)


def sources(amounts: dict[str, Tensor], size: tuple[int, int]) -> Tensor:
    """(6, B), as `maps` makes it: the operations of each image, one after the other. `amounts`: by name (count, B), 0
    where an operation isn't drawn; `size`: height and width."""
    cos, sin = amounts["rotation"].cos(), amounts["rotation"].sin()
    height, width = size
    zero = torch.zeros_like(cos)
    rows = [
        cos, amounts["shear_x"] - sin, amounts["translate_x"] * width,
        amounts["shear_y"] + sin, cos, amounts["translate_y"] * height, zero, zero, zero + 1,
    ]  # fmt: skip
    steps = torch.stack(rows, dim=-1).view(*cos.shape, 3, 3)
    whole = steps[0]
    for step in steps[1:]:
        whole = whole @ step
    return whole[:, :2].reshape(-1, 6).T
