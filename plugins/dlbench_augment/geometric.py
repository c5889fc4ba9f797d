"""Rotation, translation, rescaling, stretching, shear and resized crops: each a map of places, drawn per image.

Each of them interpolates by itself: several in one recipe smooth images a little more than one would.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from dlbench import UsageError

from .affine import maps, warp
from .base import Augmentation, check_fill, check_range, uniform


class Geometric(Augmentation):
    """Subclasses say where the pixels of new images come from."""

    moves: ClassVar[bool] = True

    def __init__(self, *, fill: str, idle: bool) -> None:
        self.fill, self.idle = check_fill(self.name, fill), idle

    def change(self, images: Tensor, generator: torch.Generator) -> Tensor:
        height, width = images.shape[2:]
        return warp(images, self.sources(len(images), (height, width), generator), self.fill)

    def sources(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """(6, count), as `maps` makes it; `size`: height and width in pixels."""
        raise NotImplementedError


class Rotation(Geometric):
    """About the centre, by an angle from -`degrees` to `degrees`."""

    name: ClassVar[str] = "rotation"

    def __init__(self, *, degrees: float = 15.0, fill: str = "zero") -> None:
        self.degrees = check_range(self.name, "degrees", degrees, 0, 180)
        super().__init__(fill=fill, idle=not degrees)

    def sources(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        return turned(uniform(1, count, generator)[0] * math.radians(self.degrees))


class Translation(Geometric):
    """By up to `share` of the height, and of the width, each way; not only by whole pixels."""

    name: ClassVar[str] = "translation"

    def __init__(self, *, share: float = 0.1, fill: str = "zero") -> None:
        self.share = check_range(self.name, "a share", share, 0, 1)
        super().__init__(fill=fill, idle=not share)

    def sources(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        down, right = uniform(2, count, generator) * self.share
        return maps(count, x=-right * size[1], y=-down * size[0])


class Rescale(Geometric):
    """Enlarged about the centre by 1 / `factor` to `factor`, evenly on the logarithm."""

    name: ClassVar[str] = "rescale"

    def __init__(self, *, factor: float = 1.25, fill: str = "zero") -> None:
        self.factor = check_range(self.name, "a factor", factor, 1)
        super().__init__(fill=fill, idle=factor == 1)

    def sources(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        shrunk = factors(self.factor, count, generator)
        return maps(count, xx=shrunk, yy=shrunk)


class Stretch(Geometric):
    """Widened by 1 / `factor` to `factor`, evenly on the logarithm, and lower by as much, so the area stays."""

    name: ClassVar[str] = "stretch"

    def __init__(self, *, factor: float = 1.25, fill: str = "zero") -> None:
        self.factor = check_range(self.name, "a factor", factor, 1)
        super().__init__(fill=fill, idle=factor == 1)

    def sources(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        shrunk = factors(self.factor, count, generator)
        return maps(count, xx=shrunk, yy=1 / shrunk)


class Shear(Geometric):
    """Slanted to the left or right: upright lines lean by an angle from -`degrees` to `degrees`."""

    name: ClassVar[str] = "shear"

    def __init__(self, *, degrees: float = 15.0, fill: str = "zero") -> None:
        self.degrees = check_range(self.name, "degrees", degrees, 0, 80)
        super().__init__(fill=fill, idle=not degrees)

    def sources(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        angles = uniform(1, count, generator)[0] * math.radians(self.degrees)
        return maps(count, xy=angles.tan())


class ResizedCrop(Geometric):
    """A window of the image, enlarged to its size: of `area` to 1 of the image's area, of 1 / `ratio` to `ratio` times
    its shape, anywhere inside (Szegedy et al., 2015, where area is 0.08 and ratio 4 / 3).

    A window that would be wider or higher than the image is cut to it, where the paper draws again.
    """

    name: ClassVar[str] = "resized_crop"

    def __init__(self, *, area: float = 0.5, ratio: float = 4 / 3) -> None:
        if not 0 < area <= 1 or not 1 <= ratio < float("inf"):
            raise UsageError(f"the regularizer resized_crop needs 0 < area <= 1 <= ratio, not {area:g} and {ratio:g}")
        self.area, self.ratio = area, ratio
        super().__init__(fill="edge", idle=area == 1 and ratio == 1)

    def sources(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        drawn, down, right = uniform(3, count, generator)
        area = 1 - (1 - self.area) * (drawn + 1) / 2
        shape = factors(self.ratio, count, generator).sqrt()
        wide, high = (area.sqrt() * shape).clamp(max=1), (area.sqrt() / shape).clamp(max=1)  # as shares of the sides
        height, width = size
        return maps(count, xx=wide, yy=high, x=right * (1 - wide) * width / 2, y=down * (1 - high) * height / 2)


def turned(angles: Tensor) -> Tensor:
    """The maps of images turned by angles (B,) in radians, against the clock."""
    cos, sin = angles.cos(), angles.sin()
    return maps(len(angles), xx=cos, xy=-sin, yx=sin, yy=cos)


def factors(most: float, count: int, generator: torch.Generator) -> Tensor:
    """(count,) from 1 / `most` to `most`, evenly on the logarithm."""
    return (uniform(1, count, generator)[0] * math.log(most)).exp()
