"""What all augmentations have in common: which tasks they are for, and one draw for each image of a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from dlbench import (
    Batch,
    Boxes,
    Image,
    Learner,
    Mask,
    NotApplicable,
    Optimizers,
    PixelValue,
    Regularizer,
    Signature,
    TokenSequence,
    UsageError,
)

PLACED = (Boxes, Mask, PixelValue)
"""What asks for answers at places of an image."""
FILLS = ("zero", "edge")


class Augmentation(Regularizer):
    """Changes each image of a training batch (B, C, H, W) by a draw of its own, on the images' device.

    A subclass has a `name`, says by `idle` whether its options leave images as they are, so that there is nothing to
    do, and defines `change`. `moves`: whether pixels change their places.
    """

    name: ClassVar[str]
    moves: ClassVar[bool] = False
    idle: bool = False

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        check_images(self.name, signature)
        if self.moves and isinstance(signature.output, PLACED):
            raise NotApplicable(
                f"the regularizer {self.name} moves pixels, but not the targets that say where they are, which "
                f"{signature.output} has"
            )

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        if self.idle:
            return batch
        images = batch.inputs
        if not isinstance(images, Tensor) or images.ndim != 4 or not images.is_floating_point():
            raise UsageError(f"the regularizer {self.name} works on float images (B, C, H, W) only")
        changed = self.change(images, generator)
        if images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous():
            changed = changed.contiguous(memory_format=torch.channels_last)
        return replace(batch, inputs=changed)

    def change(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """New images of the same shape; all draws come from `generator`, on the CPU."""
        raise NotImplementedError


def check_images(name: str, signature: Signature) -> None:
    """Raise NotApplicable unless the inputs are plain images."""
    if not isinstance(signature.input, Image):
        raise NotApplicable(f"the regularizer {name} is for images, not for {signature.input}")
    if isinstance(signature.output, TokenSequence):
        raise NotApplicable(f"the regularizer {name} is for images alone, not for images with {signature.output}")


def check_fill(name: str, fill: str) -> str:
    """`fill`, if it is a way to fill what comes in from outside."""
    if fill not in FILLS:
        raise UsageError(f"the regularizer {name} fills with {' or '.join(FILLS)}, not with {fill!r}")
    return fill


def check_range(name: str, option: str, value: float, low: float, high: float = float("inf")) -> float:
    """`value`, if it is from `low` to `high`."""
    if not low <= value <= high or value == float("inf"):
        most = f" and at most {high:g}" if high < float("inf") else ""
        raise UsageError(f"the regularizer {name} needs {option} of at least {low:g}{most}, not {value:g}")
    return value


def uniform(rows: int, count: int, generator: torch.Generator) -> Tensor:
    """Numbers from -1 to 1, float32 (rows, count), on the CPU."""
    return torch.rand((rows, count), generator=generator).mul_(2).sub_(1)
