"""Brightness, contrast, saturation, hue and PCA jitter: affine maps of an image's colours.

Images arrive normalised by their task, and nobody says by what mean and deviation. So all of these are in normalised
units, they don't clamp, and grey is where the channels are alike.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from dlbench import Image, Learner, NotApplicable, Optimizers, Signature

from .base import Augmentation, check_images, check_range, uniform

LUMA = (0.299, 0.587, 0.114)  # how much red, green and blue weigh in grey (ITU-R BT.601)
LOOKS = 20
"""The batches from which PCA jitter learns how colours vary."""


class ColourJitter(Augmentation):
    """In this order: `brightness` adds -b to b, in deviations; `contrast` multiplies what differs from the image's mean
    by 1 - c to 1 + c; `saturation` what differs from grey by 1 - s to 1 + s; `hue` turns colours about the axis of
    greys by -h to h degrees. Together they are one product with a 3x3 matrix for each image.

    Hue is that rotation, and not a step along the hexagon of HSV, which isn't linear.
    """

    name: ClassVar[str] = "colour_jitter"

    def __init__(
        self, *, brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4, hue: float = 20.0
    ) -> None:
        self.brightness = check_range(self.name, "a brightness", brightness, 0)
        self.contrast = check_range(self.name, "a contrast", contrast, 0, 1)
        self.saturation = check_range(self.name, "a saturation", saturation, 0, 1)
        self.hue = check_range(self.name, "a hue", hue, 0, 180)
        self.idle = not (brightness or contrast or saturation or hue)

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        super().start(learner, signature, optimizers)
        if self.saturation or self.hue:
            check_colours(self.name, signature)

    def change(self, images: Tensor, generator: torch.Generator) -> Tensor:
        drawn = uniform(4, len(images), generator)
        brightness, contrast = drawn[0] * self.brightness, 1 + drawn[1] * self.contrast
        matrices = None
        if self.saturation or self.hue:
            matrices = colour_maps(1 + drawn[2] * self.saturation, drawn[3] * math.radians(self.hue))
        return recoloured(images, brightness, contrast if self.contrast else None, matrices)


class Brightness(ColourJitter):
    """Adds from -`strength` to `strength` to all values of an image, in deviations of the task's images."""

    name: ClassVar[str] = "brightness"

    def __init__(self, *, strength: float = 0.5) -> None:
        super().__init__(brightness=strength, contrast=0.0, saturation=0.0, hue=0.0)


class Contrast(ColourJitter):
    """Multiplies what differs from the image's mean by 1 - `strength` to 1 + `strength`."""

    name: ClassVar[str] = "contrast"

    def __init__(self, *, strength: float = 0.5) -> None:
        super().__init__(brightness=0.0, contrast=strength, saturation=0.0, hue=0.0)


class Saturation(ColourJitter):
    """Multiplies what differs from grey by 1 - `strength` to 1 + `strength`; needs three channels."""

    name: ClassVar[str] = "saturation"

    def __init__(self, *, strength: float = 0.5) -> None:
        super().__init__(brightness=0.0, contrast=0.0, saturation=strength, hue=0.0)


class Hue(ColourJitter):
    """Turns colours about the axis of greys by -`degrees` to `degrees`; needs three channels."""

    name: ClassVar[str] = "hue"

    def __init__(self, *, degrees: float = 30.0) -> None:
        super().__init__(brightness=0.0, contrast=0.0, saturation=0.0, hue=degrees)


class PcaJitter(Augmentation):
    """Moves all colours of an image along the principal components of the training images' colours, by a normal draw of
    deviation `alpha` times the component's variance (Krizhevsky et al., 2012).

    With components P and variances L that move is P L z for a normal z, and so is the covariance C = P L P' times
    another: no components need be found. C is that of the first batches. Needs three channels.
    """

    name: ClassVar[str] = "pca_jitter"

    def __init__(self, *, alpha: float = 0.1) -> None:
        self.alpha = check_range(self.name, "an alpha", alpha, 0)
        self.idle = not alpha
        self._looks = 0
        self._moments: Tensor | None = None

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        super().start(learner, signature, optimizers)
        check_colours(self.name, signature)

    def change(self, images: Tensor, generator: torch.Generator) -> Tensor:
        drawn = torch.randn((len(images), 3), generator=generator).mul_(self.alpha)
        moves = drawn.to(images.dtype).to(images.device, non_blocking=True) @ self._covariance(images)
        return images + moves[:, :, None, None]

    def _covariance(self, images: Tensor) -> Tensor:
        """(3, 3), of the pixels of all batches seen, this one among them, up to `LOOKS`."""
        if self._looks < LOOKS:
            pixels = images.transpose(0, 1).reshape(3, -1)
            pixels = torch.cat([pixels, torch.ones_like(pixels[:1])])
            moments = pixels @ pixels.T / pixels.shape[1]  # (4, 4): second moments, and means in the last row
            self._looks += 1
            self._moments = moments if self._moments is None else self._moments.lerp(moments, 1 / self._looks)
        assert self._moments is not None
        mean = self._moments[3, :3]
        return self._moments[:3, :3] - torch.outer(mean, mean)


def recoloured(images: Tensor, brightness: Tensor, contrast: Tensor | None, matrices: Tensor | None) -> Tensor:
    """Images (B, C, H, W) times `contrast` (B,) about their mean, plus `brightness` (B,), under `matrices` (B, 3, 3)
    whose rows add up to 1, which keeps greys. The draws are on the CPU."""
    count, channels = images.shape[:2]
    rows = [brightness, torch.ones(count) if contrast is None else contrast]
    offset, factor = torch.stack(rows).to(images.dtype).to(images.device, non_blocking=True)
    if contrast is not None:
        offset = offset + (1 - factor) * images.flatten(1).mean(dim=1)
    if matrices is None:
        return torch.addcmul(offset[:, None, None, None], images, factor[:, None, None, None])
    maps = matrices.to(images.dtype).to(images.device, non_blocking=True) * factor[:, None, None]
    return torch.baddbmm(offset[:, None, None], maps, images.reshape(count, channels, -1)).view(images.shape)


def colour_maps(saturation: Tensor, angles: Tensor) -> Tensor:
    """(B, 3, 3): colours drawn away from grey by `saturation` (B,), then turned by `angles` (B,) about the greys."""
    saturation, angles = saturation[:, None, None], angles[:, None, None]
    one, grey = torch.eye(3), torch.tensor(LUMA).expand(3, 3)  # every row gives the grey of a colour
    along = torch.full((3, 3), 1 / 3)  # onto the axis (1, 1, 1)
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    turn = along + angles.cos() * (one - along) + angles.sin() * across  # Rodrigues' formula
    return turn @ (grey + saturation * (one - grey))


def check_colours(name: str, signature: Signature) -> None:
    """Raise NotApplicable unless the inputs are images of three channels."""
    check_images(name, signature)
    assert isinstance(signature.input, Image)
    if signature.input.channels != 3:
        raise NotApplicable(f"the regularizer {name} needs 3 channels of colour, not {signature.input.channels}")
