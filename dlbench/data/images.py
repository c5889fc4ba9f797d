"""Image classification on tensors that live on the task's device: a task for whoever has images as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..contract.kinds import Classes, Image, Signature
from ..contract.learner import Batch
from .batches import GatheredBatches, judged_at_once

JUDGE_BATCH = 200
"""On a CPU several networks take half as long again or twice as long for larger ones, which leave its caches."""

Split = tuple[np.ndarray, np.ndarray]


class ImageClassification:
    """Images with one class each, judged by accuracy and cross-entropy over all examples of a split.

    `splits`: for `train`, `val` and `test` the images (N, C, H, W) uint8 and the labels (N,). The images stay uint8 on
    `device`, a quarter of their size as floats, and each batch is normalised as it is gathered: per channel, by mean
    and standard deviation of the training images.
    """

    def __init__(self, splits: Mapping[str, Split], *, num_classes: int, device: str = "cpu") -> None:
        for name, (images, labels) in splits.items():
            _check_split(name, images, labels, num_classes)
        channels, height, width = splits["train"][0].shape[1:]
        self.signature = Signature(
            input=Image(channels=channels, height=height, width=width), output=Classes(num_classes=num_classes)
        )
        self.device = device
        mean, std = channel_statistics(splits["train"][0])
        self._mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self._scale = torch.tensor(1 / std, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self._splits = {name: self._place(*arrays) for name, arrays in splits.items()}

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        images, labels = self._splits[split]
        row = 4 * images[0].numel()
        return GatheredBatches(len(labels), batch_size, generator, self._gather(split), self.device, row_bytes=row)

    def examples(self, split: str) -> tuple[Tensor, Tensor]:
        """All images (N, C, H, W) uint8 of a split and their labels (N,), on the task's device."""
        return self._splits[split]

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean cross-entropy, in nats."""
        assert batch.targets is not None
        return functional.cross_entropy(outputs, batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`accuracy` (fraction) and `cross_entropy` (nats), summed over examples before dividing once."""
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        nats = torch.zeros((), dtype=torch.float64, device=self.device)
        size = judged_at_once(JUDGE_BATCH, self._splits[split][0][0].numel(), self.device)
        for batch in self.batches(split, size, None):
            assert batch.targets is not None
            logits = learner.predict(batch)  # (B, num_classes)
            correct += (logits.argmax(1) == batch.targets).sum()
            nats += functional.cross_entropy(logits.float(), batch.targets, reduction="none").double().sum()
        count = len(self._splits[split][1])
        return {"accuracy": correct.item() / count, "cross_entropy": nats.item() / count}

    def _place(self, images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
        return (
            torch.from_numpy(np.ascontiguousarray(images)).to(self.device),
            torch.from_numpy(labels.astype(np.int64)).to(self.device),
        )

    def _gather(self, split: str) -> Callable[[Tensor], Batch]:
        images, labels = self._splits[split]

        def gather(index: Tensor) -> Batch:
            pixels = images.index_select(0, index)  # (B, C, H, W) uint8
            inputs = (pixels - self._mean).mul_(self._scale)
            return Batch(inputs=inputs, targets=labels.index_select(0, index), size=len(index))

        return gather


def channel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel over uint8 images (N, C, H, W), exact but for the last division.
    A channel without any variation gets the deviation 1."""
    values = np.arange(256, dtype=np.float64)
    means, deviations = [], []
    for channel in range(images.shape[1]):
        counts = np.zeros(256, dtype=np.int64)
        for start in range(0, len(images), 4096):  # in pieces, as bincount widens its input to 8 bytes a pixel
            counts += np.bincount(images[start : start + 4096, channel].ravel(), minlength=256)
        share = counts / counts.sum()
        mean = float(share @ values)
        deviation = float(np.sqrt(share @ (values - mean) ** 2))
        means.append(mean)
        deviations.append(deviation or 1.0)
    return np.array(means), np.array(deviations)


def _check_split(name: str, images: np.ndarray, labels: np.ndarray, num_classes: int) -> None:
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"the {name} images must be uint8 (N, C, H, W), not {images.dtype} {images.shape}")
    if labels.shape != (len(images),) or not len(labels):
        raise ValueError(f"the {name} split has {len(images)} images but labels of shape {labels.shape}")
    if int(labels.min()) < 0 or int(labels.max()) >= num_classes:
        raise ValueError(f"the {name} labels must lie in 0..{num_classes - 1}")
