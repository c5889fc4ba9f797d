"""GoogLeNet under the losses of its auxiliary heads: Szegedy et al. 2015, "Going Deeper with Convolutions"."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from dlbench import Batch, Learner

from .googlenet import GoogLeNet

SHARE = 0.3  # of each auxiliary head's loss


class AuxiliaryGoogLeNet(Learner):
    """Images -> classes. The heads take part in training alone. Options as in `GoogLeNet`."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.network = GoogLeNet(**options, auxiliary=True)

    def predict(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, num_classes)"""
        return self.network(images)

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy in nats, and 0.3 times that of each auxiliary head."""
        assert batch.targets is not None
        own, *extra = (F.cross_entropy(logits, batch.targets) for logits in self.network.all_logits(batch.inputs))
        return own + SHARE * sum(extra)
