"""Images read row by row, or pixel by pixel: an image task's own splits and normalisation, as series.

Le, Jaitly, Hinton 2015, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units", read MNIST pixel by
pixel, also with all pixels in one random order. Row by row it is a short task that any recurrent network learns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dlbench import Batch, Batches, Series, SeriesBatch, Signature

from ..scores import class_scores

SEED = 49
JUDGE_BATCH = 500


class ImageRows:
    """Wraps a loaded task on images (B, channels, height, width): one step per row, of all its pixels, or per pixel.
    `permuted`: pixels change places first, in all images alike."""

    def __init__(self, images: Any, *, permuted: bool = False, pixels: bool = False) -> None:
        kind = images.signature.input
        self.images, self.device = images, images.device
        self.steps = kind.height * kind.width if pixels else kind.height
        self.features = kind.channels * kind.height * kind.width // self.steps
        self.signature = Signature(
            input=Series(features=self.features, length=self.steps), output=images.signature.output
        )  # fmt: skip
        self.order: Tensor | None = None
        if permuted:
            places = kind.height * kind.width
            self.order = torch.from_numpy(np.random.RandomState([SEED, places]).permutation(places)).to(self.device)

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Changed:
        return Changed(self.images.batches(split, batch_size, generator), self._as_series)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean cross-entropy, in nats."""
        assert batch.targets is not None
        return functional.cross_entropy(outputs, batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`accuracy` (fraction) and `cross_entropy` (nats) over all images of the split."""
        return class_scores(learner, self.batches(split, JUDGE_BATCH, None), self.device)

    def _as_series(self, batch: Batch) -> Batch:
        pixels = batch.inputs.flatten(2)  # (B, C, H * W)
        if self.order is not None:
            pixels = pixels[:, :, self.order]
        steps = pixels.unflatten(2, (self.steps, -1)).transpose(1, 2).flatten(2)  # (B, T, C * pixels of a step)
        return Batch(inputs=SeriesBatch(steps), targets=batch.targets, size=batch.size)


class Changed:
    """Other batches, each changed as it comes."""

    def __init__(self, batches: Batches, change: Callable[[Batch], Batch]) -> None:
        self._batches, self._change = batches, change

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return map(self._change, self._batches)
