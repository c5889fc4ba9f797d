"""Otsu's threshold: each image by itself is cut at the grey value that sets two classes of pixels furthest apart.

Nobuyuki Otsu, 1979, "A Threshold Selection Method from Gray-Level Histograms". All values of an image are candidates,
not those of a histogram, so that the result doesn't depend on how a task scales its images. Which side is looked for,
the brighter or the darker, is counted in training, as is how often that is right.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlbench import Batch

from .constant import Constant


class Otsu(Constant):
    """Images (B, C, H, W), of which the channels' mean counts, to logits (B, 2, H, W). It has no parameters."""

    def __init__(self) -> None:
        super().__init__()
        # pixels by side of the threshold (darker, brighter) and class
        self.register_buffer("counts", torch.zeros(2, 2, dtype=torch.int64))

    def observe(self, batch: Batch) -> None:
        assert batch.targets is not None
        kinds = 2 * brighter(batch.inputs).long() + batch.targets
        kinds = kinds.flatten() if batch.mask is None else kinds[batch.mask]
        self.counts += torch.bincount(kinds.flatten(), minlength=4).view(2, 2)

    def predict(self, inputs: Tensor) -> Tensor:
        right = self.counts.diagonal().sum().double() + 0.5  # half a pixel, so that logarithms stay finite
        wrong = self.counts.flip(0).diagonal().sum().double() + 0.5
        confidence = (right / wrong).log().float()  # below 0 where the darker side is what is looked for
        bright = (2 * brighter(inputs) - 1) * confidence / 2  # (B, H, W)
        return torch.stack([-bright, bright], dim=1)

    def loss(self, batch: Batch) -> Tensor:
        assert batch.targets is not None
        errors = torch.nn.functional.cross_entropy(self.predict(batch.inputs), batch.targets, reduction="none")
        return errors.mean() if batch.mask is None else (errors * batch.mask).sum() / batch.mask.sum()


def brighter(images: Tensor) -> Tensor:
    """Which pixels lie above their image's threshold, (B, H, W) int64; none in an image of one value."""
    grey = images.float().mean(dim=1)  # (B, H, W)
    values = grey.flatten(1).sort(dim=1).values
    count = values.shape[1]
    sums = values.double().cumsum(dim=1)
    below = torch.arange(1, count, device=images.device)  # how many pixels the darker side has
    distance = sums[:, -1:] * below / count - sums[:, :-1]
    between = distance.square() / (below * (count - below))  # in proportion to the variance between the sides
    between = between.masked_fill(values[:, 1:] == values[:, :-1], -1)  # equal values aren't parted
    cut = values[:, :-1].gather(1, between.argmax(dim=1, keepdim=True))
    flat = (values[:, :1] == values[:, -1:])[:, :, None]
    return ((grey > cut[:, :, None]) & ~flat).long()
