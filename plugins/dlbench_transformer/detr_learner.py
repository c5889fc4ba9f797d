"""DETR under its loss of matched pairs: Carion et al. 2020, "End-to-End Object Detection with Transformers"."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dlbench import Batch, Learner

from .detr import Detr
from .detr_matching import centred, corners, generalised_overlap, match

NOTHING_WEIGHT = 0.1  # of answers that say that there is no object
SIDES_WEIGHT, OVERLAP_WEIGHT = 5.0, 2.0


class DetrLearner(Learner):
    """Images -> boxes. Options as in `Detr`."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.network = Detr(**options)

    def detect(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, queries, 6): every query's most probable class beside no object."""
        logits, boxes = self.network(images)
        score, label = logits[-1].float().softmax(dim=-1)[..., :-1].max(dim=-1)
        sides = corners(boxes[-1].float()).clamp(0, 1)
        return torch.cat([sides, label[..., None].to(sides), score[..., None]], dim=-1)

    def loss(self, batch: Batch) -> Tensor:
        """The sum over decoder layers, each with a matching of its own."""
        assert batch.targets is not None
        logits, boxes = (answer.float() for answer in self.network(batch.inputs))
        return matched_loss(logits, boxes, batch.targets)


def matched_loss(logits: Tensor, boxes: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy over all answers, those without an object weighted by 0.1; and per object five times the absolute
    error of its box and twice what its generalised overlap lacks to 1. Arguments as for `match`."""
    owners = match(logits, boxes, targets)  # (layers, B, queries)
    there, nothing = owners >= 0, logits.shape[-1] - 1
    rows = owners.clamp(min=0)[..., None].expand(*owners.shape, targets.shape[-1])
    wanted = targets.expand(len(owners), *targets.shape).gather(2, rows)  # (layers, B, queries, 5)
    labels = torch.where(there, wanted[..., 4].long(), nothing)
    weights = torch.where(there, 1.0, NOTHING_WEIGHT)
    surprise = F.cross_entropy(logits.flatten(0, 2), labels.flatten(), reduction="none").view_as(weights)
    label_loss = ((surprise * weights).sum(dim=(1, 2)) / weights.sum(dim=(1, 2))).sum()
    count = (targets[..., 4] >= 0).sum().clamp(min=1)
    apart = (boxes - centred(wanted[..., :4])).abs().sum(dim=-1)
    lacking = 1 - generalised_overlap(corners(boxes), wanted[..., :4])
    pairs = (SIDES_WEIGHT * apart + OVERLAP_WEIGHT * lacking).masked_fill(~there, 0.0)
    return label_loss + pairs.sum() / count
