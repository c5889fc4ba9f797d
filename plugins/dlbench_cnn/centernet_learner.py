"""CenterNet under its three losses: Zhou, Wang and Krähenbühl 2019, "Objects as Points"."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from dlbench import Batch, Learner

from .centernet import CenterNet
from .centernet_targets import at_centres, focal_loss, heatmap, in_cells, read_boxes

SIZE_WEIGHT = 0.1


class CenterNetLearner(Learner):
    """Images -> boxes. `most`: findings in an image. The other options are those of `CenterNet`."""

    def __init__(self, *, num_classes: int, most: int = 100, **options: Any) -> None:
        super().__init__()
        self.num_classes, self.most = num_classes, most
        self.network = CenterNet(num_classes=num_classes, **options)

    def detect(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, K, 6)"""
        centres, sizes, offsets = self.network(images)
        return read_boxes(centres.float(), sizes.float(), offsets.float(), most=self.most)

    def loss(self, batch: Batch) -> Tensor:
        """Per object: the focal loss of the heatmaps, and the absolute errors of offsets and, times 0.1, of sizes."""
        assert batch.targets is not None
        centres, sizes, offsets = (answer.float() for answer in self.network(batch.inputs))
        boxes, labels = batch.targets[..., :4], batch.targets[..., 4]
        grid = (centres.shape[2], centres.shape[3])
        middle, extent = in_cells(boxes, grid)  # (B, L, 2)
        there = (labels >= 0).float()[..., None]  # (B, L, 1)
        count = there.sum().clamp(min=1)
        wanted = heatmap(middle, extent, labels, num_classes=self.num_classes, grid=grid)
        size_error = ((at_centres(sizes, middle) - extent).abs() * there).sum() / count
        offset_error = ((at_centres(offsets, middle) - (middle - middle.floor())).abs() * there).sum() / count
        return focal_loss(centres, wanted, count) + SIZE_WEIGHT * size_error + offset_error
