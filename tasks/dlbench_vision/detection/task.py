"""Detection on images that live on the task's device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlbench import Batch, Boxes, Image, Signature
from dlbench.data.batches import GatheredBatches

from ..images import channel_statistics
from .precision import Precision, average_precision

JUDGE_BATCH = 100
NOTHING = -1
"""The class of a row that only fills up."""

Pictures = tuple[np.ndarray, np.ndarray]


class Detection:
    """Images with boxes, judged by average precision as COCO's evaluation computes it: `ap50`, `ap75`, and `map`, the
    mean over overlaps from 0.5 to 0.95.

    `splits`: for `train`, `val` and `test` the images (N, C, H, W) uint8 and the boxes (N, limit, 5) float32, as
    `Boxes` has them. The images stay uint8 on `device` and are normalised as they are gathered: per channel, by mean
    and standard deviation of the training images. `each`: also give every class's own AP50, as `ap50_NAME` with the
    name in lower case. `notes`: what was done to the boxes on the way, for records to keep.
    """

    def __init__(
        self, splits: Mapping[str, Pictures], *, classes: Sequence[str], each: bool = False, notes: Sequence[str] = (),
        device: str = "cpu",
    ) -> None:  # fmt: skip
        for name, (images, boxes) in splits.items():
            _check_split(name, images, boxes, len(classes))
        channels, height, width = splits["train"][0].shape[1:]
        limit = max(boxes.shape[1] for _, boxes in splits.values())
        self.signature = Signature(
            input=Image(channels=channels, height=height, width=width),
            output=Boxes(num_classes=len(classes), limit=limit),
        )
        self.classes, self.each, self.notes, self.device = tuple(classes), each, tuple(notes), device
        mean, std = channel_statistics(splits["train"][0])
        self._mean = torch.tensor(mean, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self._scale = torch.tensor(1 / std, dtype=torch.float32, device=device).view(1, -1, 1, 1)
        self._splits = {name: self._place(images, boxes, limit) for name, (images, boxes) in splits.items()}

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        count = len(self._splits[split][1])
        return GatheredBatches(count, batch_size, generator, self._gather(split), self.device)

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Raises TypeError: what is compared with what is each model's own idea."""
        raise TypeError("where boxes are asked for, a model brings its own loss: build a Learner with loss and detect")

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """All as fractions."""
        found = [(learner.detect(batch).cpu(), batch.targets) for batch in self.batches(split, JUDGE_BATCH, None)]
        height, width = self.signature.input.height, self.signature.input.width  # type: ignore[attr-defined]
        targets = torch.cat([boxes for _, boxes in found]).cpu()
        precision = average_precision(
            [row for rows, _ in found for row in rows], targets, size=(height, width), num_classes=len(self.classes)
        )
        return self._metrics(precision)

    def samples(self, learner: Any) -> list[str]:
        """The notes."""
        return list(self.notes)

    def _metrics(self, precision: Precision) -> dict[str, float]:
        scores = {"ap50": precision.ap50, "ap75": precision.ap75, "map": precision.map}
        if self.each:
            names = (name.lower() for name in self.classes)
            scores |= {f"ap50_{name}": value for name, value in zip(names, precision.each, strict=True)}
        return scores

    def _place(self, images: np.ndarray, boxes: np.ndarray, limit: int) -> tuple[Tensor, Tensor]:
        filled = np.zeros((len(boxes), limit, 5), dtype=np.float32)
        filled[:, :, 4] = NOTHING
        filled[:, : boxes.shape[1]] = boxes
        return (
            torch.from_numpy(np.ascontiguousarray(images)).to(self.device),
            torch.from_numpy(filled).to(self.device),
        )

    def _gather(self, split: str) -> Callable[[Tensor], Batch]:
        images, boxes = self._splits[split]

        def gather(index: Tensor) -> Batch:
            pixels = images.index_select(0, index)  # (B, C, H, W) uint8
            inputs = (pixels - self._mean).mul_(self._scale)
            return Batch(inputs=inputs, targets=boxes.index_select(0, index), size=len(index))

        return gather


def pack(boxes: Sequence[np.ndarray]) -> np.ndarray:
    """Boxes (n, 5) of each image -> (N, limit, 5) float32, filled up with rows of class -1."""
    packed = np.zeros((len(boxes), max((len(rows) for rows in boxes), default=0), 5), dtype=np.float32)
    packed[:, :, 4] = NOTHING
    for row, given in zip(packed, boxes, strict=True):
        row[: len(given)] = given
    return packed


def _check_split(name: str, images: np.ndarray, boxes: np.ndarray, num_classes: int) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
        raise ValueError(f"the {name} images must be uint8 (N, C, H, W), not {images.dtype} {images.shape}")
    if boxes.ndim != 3 or (len(boxes), boxes.shape[2]) != (len(images), 5):
        raise ValueError(f"the {name} split has {len(images)} images but boxes of shape {boxes.shape}")
    left, top, right, bottom, label = boxes[boxes[:, :, 4] != NOTHING].T
    if not np.isin(label, np.arange(num_classes)).all():
        raise ValueError(f"the {name} classes must lie in 0..{num_classes - 1}")
    if not ((left >= 0) & (top >= 0) & (left < right) & (top < bottom) & (right <= 1) & (bottom <= 1)).all():
        raise ValueError(f"the {name} boxes must have an area and lie within their images, 0 to 1")
