"""Mirror each image in every other epoch, beginning at random."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dlbench import Batch, Learner, Optimizers, Regularizer, Signature, UsageError

from .fits import check_images

TABLE = 2**20


class AlternatingFlip(Regularizer):
    """The first time that an image is seen it is mirrored left to right with probability 1/2, and from then on every
    other time: in two epochs the network sees both (Jordan, 2024).

    Batches don't say which image is which, so images are known by a hash of their pixels: list it before regularizers
    that change them. Two images of the same hash (for 50,000 about one in twenty has such a twin) alternate together.
    Needs inputs (B, C, H, W) of float32.
    """

    def __init__(self) -> None:
        self._seen: Tensor | None = None
        self._factors: Tensor | None = None

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        check_images("alternating_flip", signature)

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        images = batch.inputs
        if not isinstance(images, Tensor) or images.ndim != 4 or images.dtype != torch.float32:
            raise UsageError("the regularizer alternating_flip works on float32 images (B, C, H, W) only")
        if self._seen is None or self._factors is None:
            self._seen = torch.randint(0, 2, (TABLE,), dtype=torch.uint8, generator=generator).to(images.device)
            odd = 2 * torch.randint(0, 2**62, images.shape[1:], generator=generator) + 1
            self._factors = odd.to(images.device)
        place = image_hash(images, self._factors)
        mirrored = self._seen[place] % 2 == 1
        self._seen[place] += 1  # a byte that overflows keeps its parity
        return replace(batch, inputs=torch.where(mirrored[:, None, None, None], images.flip(3), images))


def image_hash(images: Tensor, factors: Tensor) -> Tensor:
    """For each image (B, C, H, W) of float32 a number from 0 up to TABLE, from the bits of its pixels alone: sums of
    whole numbers are the same in any order. `factors`: odd int64 numbers (C, H, W)."""
    bits = images.contiguous().view(torch.int32).long()
    return (bits * factors).sum(dim=(1, 2, 3)).bitwise_right_shift(40) & (TABLE - 1)
