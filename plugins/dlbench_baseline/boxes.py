"""The floor of detection: the boxes that are most frequent in training, for every image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, Boxes, Learner, Optimizers

PARTS = 10  # to which a side of the image is divided


class FrequentBoxes(Learner):
    """Counts the training boxes by class and by their sides, rounded to a tenth of the image. Every image gets the most
    frequent ones, as many as it may hold, as the means of the boxes that were counted together; their score is how many
    there are in an image, 1 at most.

    There is no gradient step and there are no parameters. The loss is the share of a batch's boxes that don't belong to
    the most frequent ones, after counting.
    """

    def __init__(self, *, output: Boxes) -> None:
        super().__init__()
        self.limit = output.limit
        cells = output.num_classes * (PARTS + 1) ** 4
        self.register_buffer("counts", torch.zeros(cells, dtype=torch.int64))
        # sums of many small float32 numbers lose digits
        self.register_buffer("sums", torch.zeros(cells, 4, dtype=torch.float64))
        self.register_buffer("images", torch.zeros((), dtype=torch.int64))

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        assert batch.targets is not None
        with torch.no_grad():
            boxes = batch.targets[batch.targets[..., 4] >= 0]  # (n, 5)
            cells = cell_of(boxes)
            self.counts += torch.bincount(cells, minlength=len(self.counts))
            self.sums.index_add_(0, cells, boxes[:, :4].double())
            self.images += len(batch.targets)
            common = (cells[:, None] == self.common()).any(dim=1)
            return (~common).float().sum() / max(len(boxes), 1)

    def detect(self, inputs: Any) -> Tensor:
        """The same boxes (B, limit, 6) for every image."""
        best = self.common()
        counts = self.counts[best].clamp(min=1)
        sides = (self.sums[best] / counts[:, None]).float()
        label = (best // (PARTS + 1) ** 4).float()
        score = (self.counts[best] / self.images.clamp(min=1)).clamp(max=1).float()
        return torch.cat([sides, label[:, None], score[:, None]], dim=1).expand(len(inputs), -1, -1)

    def common(self) -> Tensor:
        """The most frequent cells, (limit,) or all, of two as frequent the first."""
        return self.counts.argsort(descending=True, stable=True)[: self.limit]


def cell_of(boxes: Tensor) -> Tensor:
    """The number of the cell (n,) that counts each box (n, 5)."""
    cells = boxes[:, 4].long()
    for side in (boxes[:, :4] * PARTS).round().long().unbind(1):
        cells = cells * (PARTS + 1) + side
    return cells
