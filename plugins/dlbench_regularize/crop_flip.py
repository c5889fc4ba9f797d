"""Random crops of the padded image and random mirroring, for a whole batch at once on its device."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import (
    Batch,
    Boxes,
    Learner,
    Mask,
    NotApplicable,
    Optimizers,
    PixelValue,
    Regularizer,
    Signature,
    UsageError,
)

from .fits import check_images


class CropFlip(Regularizer):
    """Shift each image by up to `pad` pixels each way, and mirror it left to right with probability 1/2 (`flip`).

    The border is filled with zeros. Images arrive normalised, so zero is the mean colour; He et al. (2016) pad raw
    images with black, which differs on the few border pixels only. Every one of the (2 pad + 1)^2 offsets is equally
    likely. Needs inputs (B, C, H, W); a channels-last batch stays channels last.
    """

    def __init__(self, *, pad: int = 4, flip: bool = True) -> None:
        if pad < 0:
            raise UsageError(f"crop_flip needs a pad of at least 0, not {pad}")
        self.pad, self.flip = pad, flip

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        check_images("crop_flip", signature)
        if isinstance(signature.output, (Boxes, Mask, PixelValue)):
            raise NotApplicable("the regularizer crop_flip moves pixels, but not the targets that say where they are")

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        images = batch.inputs
        if not isinstance(images, Tensor) or images.ndim != 4:
            raise UsageError("the regularizer crop_flip works on images (B, C, H, W) only")
        if batch.targets is not None and batch.targets.ndim > 2:  # boxes, a class or a number for every pixel
            raise UsageError("the regularizer crop_flip moves pixels, but not the targets that say where they are")
        if not self.pad and not self.flip:
            return batch
        count = images.shape[0]
        top, left = torch.randint(0, 2 * self.pad + 1, (2, count), generator=generator)
        mirrored = torch.randint(0, 2, (count,), generator=generator) if self.flip else torch.zeros_like(top)
        return replace(batch, inputs=crop_flip(images, self.pad, top, left, mirrored))


def crop_flip(images: Tensor, pad: int, top: Tensor, left: Tensor, mirrored: Tensor) -> Tensor:
    """Pad by `pad` zeros, cut out each image's window at (`top`, `left`), mirror it where `mirrored` is 1.

    `images` (B, C, H, W); the others int64 (B,), on the CPU. One gather does it all, on the images' device.
    """
    count, channels, height, width = images.shape
    padded_width = width + 2 * pad
    first = top * padded_width + left + mirrored * (width - 1)  # the flat place of the window's first pixel
    first, step = torch.stack((first, 1 - 2 * mirrored)).to(images.device, non_blocking=True)
    rows = torch.arange(0, height * padded_width, padded_width, device=images.device)
    columns = torch.arange(width, device=images.device)
    across = first[:, None] + step[:, None] * columns  # (B, W)
    places = (rows[:, None] + across[:, None]).view(count, 1, height * width).expand(-1, channels, -1)
    padded = F.pad(images, (pad, pad, pad, pad)).contiguous().view(count, channels, -1)
    cut = padded.gather(2, places).view(images.shape)
    if images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous():
        return cut.contiguous(memory_format=torch.channels_last)
    return cut
