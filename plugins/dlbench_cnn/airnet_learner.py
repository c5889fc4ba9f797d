"""AirNet under label smoothing: Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single A100"."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from dlbench import Batch, Learner

from .airnet import AirNet


class SmoothedAirNet(Learner):
    """Images -> classes. `smoothing`: the share of each target that is spread over all classes. Other options as in
    `AirNet`."""

    def __init__(self, *, smoothing: float = 0.2, **options: Any) -> None:
        super().__init__()
        self.network = AirNet(**options)
        self.smoothing = smoothing

    def predict(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, num_classes)"""
        return self.network(images)

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy with smoothed targets, in nats."""
        assert batch.targets is not None
        return F.cross_entropy(self.network(batch.inputs), batch.targets, label_smoothing=self.smoothing)
