"""Tasks that ask for something at every pixel, on tensors that live on the task's device."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, Image, Mask, OutputKind, PixelValue, Signature
from dlbench.data.batches import GatheredBatches

from ..images import channel_statistics

Split = tuple[np.ndarray, np.ndarray]


class DensePrediction:
    """`splits`: for `train`, `val` and `test` the images (N, C, H, W) uint8 and the targets (N, H, W), classes or
    numbers, as `output` (`Mask` or `PixelValue`) asks. Images stay uint8 on `device` and are normalised per channel
    by the training images as they are gathered.

    `crop`: side of the square that is cut out of each training image, at another place in each pass; 0 for whole
    images. Validation and test always see whole ones. `margin`: how many pixels along the border don't count.
    """

    def __init__(
        self, splits: Mapping[str, Split], *, output: OutputKind, crop: int = 0, margin: int = 0, device: str = "cpu"
    ) -> None:
        channels, height, width = splits["train"][0].shape[1:]
        self.signature = Signature(input=Image(channels=channels, height=height, width=width), output=output)
        self.device, self.crop, self.margin = device, crop, margin
        mean, std = channel_statistics(splits["train"][0])
        self._mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self._scale = torch.tensor(1 / std, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        kind = torch.int64 if isinstance(output, Mask) else torch.float32
        self._kind = kind
        self._splits = {
            name: (torch.from_numpy(images).to(device), torch.from_numpy(targets).to(device))
            for name, (images, targets) in splits.items()
        }

    def count(self, split: str) -> int:
        """How many images a split has."""
        return len(self._splits[split][0])

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        count = self.count(split)
        gather = self._whole(split)
        if split == "train" and self.crop and generator is not None:
            gather = self._cut(split, generator)
        return GatheredBatches(count, batch_size, generator, gather, self.device)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean cross-entropy in nats, or squared error, of the pixels that count."""
        assert batch.targets is not None
        if isinstance(self.signature.output, PixelValue):
            errors = (outputs - batch.targets).square()
        else:
            errors = F.cross_entropy(outputs, batch.targets, reduction="none")
        return errors.mean() if batch.mask is None else (errors * batch.mask).sum() / batch.mask.sum()

    def _whole(self, split: str) -> Callable[[Tensor], Batch]:
        images, targets = self._splits[split]
        return lambda index: self._batch(images.index_select(0, index), targets.index_select(0, index))

    def _cut(self, split: str, generator: torch.Generator) -> Callable[[Tensor], Batch]:
        """Each image's own square, its place drawn once per pass."""
        images, targets = self._splits[split]
        count, channels, height, width = images.shape
        down = torch.randint(height - self.crop + 1, (count,), generator=generator)
        right = torch.randint(width - self.crop + 1, (count,), generator=generator)
        first = (down * width + right).to(self.device)  # the flat place of the square's first pixel
        side = torch.arange(self.crop, device=self.device)
        within = (side[:, None] * width + side).flatten()  # (crop * crop,)

        def gather(index: Tensor) -> Batch:
            places = first[index][:, None] + within  # (B, crop * crop)
            size = (len(index), self.crop, self.crop)
            pixels = images[index].flatten(2).gather(2, places[:, None].expand(-1, channels, -1))
            wanted = targets[index].flatten(1).gather(1, places)
            return self._batch(pixels.view(size[0], channels, *size[1:]), wanted.view(size))

        return gather

    def _batch(self, pixels: Tensor, targets: Tensor) -> Batch:
        mask = None
        if self.margin:
            mask = torch.zeros(targets.shape, dtype=torch.bool, device=self.device)
            mask[:, self.margin : -self.margin, self.margin : -self.margin] = True
        inputs = (pixels - self._mean) * self._scale
        return Batch(inputs=inputs, targets=targets.to(self._kind), mask=mask, size=len(pixels))
