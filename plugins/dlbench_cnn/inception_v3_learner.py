"""Inception v3 under the loss of its auxiliary head: Szegedy et al. 2016, "Rethinking the Inception Architecture"."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from dlbench import Batch, Learner

from .inception_v3 import InceptionV3

SHARE = 0.4  # of the auxiliary head's loss, as in torchvision's own training


class AuxiliaryInceptionV3(Learner):
    """Images -> classes. The head takes part in training alone. Options as in `InceptionV3`."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.network = InceptionV3(**options, auxiliary=True)

    def predict(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, num_classes)"""
        return self.network(images)

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy in nats, and 0.4 times that of the auxiliary head."""
        assert batch.targets is not None
        own, extra = (F.cross_entropy(logits, batch.targets) for logits in self.network.all_logits(batch.inputs))
        return own + SHARE * extra
