"""Which answer of DETR belongs to which object: the assignment of least cost.

Carion et al. 2020, "End-to-End Object Detection with Transformers", section 3.1; solved by scipy's
`linear_sum_assignment` (Crouse 2016, "On Implementing 2D Rectangular Assignment Algorithms").
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

LABEL_COST, SIDES_COST, OVERLAP_COST = 1.0, 5.0, 2.0


def corners(boxes: Tensor) -> Tensor:
    """Centre and size (..., 4) -> left, top, right, bottom (..., 4)."""
    middle, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([middle - size / 2, middle + size / 2], dim=-1)


def centred(boxes: Tensor) -> Tensor:
    """Left, top, right, bottom (..., 4) -> centre and size (..., 4)."""
    start, end = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(start + end) / 2, end - start], dim=-1)


def generalised_overlap(first: Tensor, second: Tensor) -> Tensor:
    """Generalised intersection over union, -1 to 1, of boxes left, top, right, bottom whose shapes (..., 4) broadcast:
    Rezatofighi et al. 2019, "Generalized Intersection over Union"."""
    common = _area(torch.maximum(first[..., :2], second[..., :2]), torch.minimum(first[..., 2:], second[..., 2:]))
    union = _area(first[..., :2], first[..., 2:]) + _area(second[..., :2], second[..., 2:]) - common
    hull = _area(torch.minimum(first[..., :2], second[..., :2]), torch.maximum(first[..., 2:], second[..., 2:]))
    return common / union.clamp(min=1e-9) - (hull - union) / hull.clamp(min=1e-9)


def _area(start: Tensor, end: Tensor) -> Tensor:
    return (end - start).clamp(min=0).prod(dim=-1)


def match(logits: Tensor, boxes: Tensor, targets: Tensor) -> Tensor:
    """The object (layers, B, queries) that each answer belongs to, as a row of its image's targets, -1 for none.

    `logits` (layers, B, queries, classes + 1), `boxes` (layers, B, queries, 4) centre and size, `targets` (B, limit, 5)
    as `Boxes` has them. No more objects of an image than queries are matched. The host waits once, for the costs of
    all layers.
    """
    with torch.no_grad():
        costs = matching_costs(logits.float(), boxes.float(), targets).cpu().numpy()  # (layers, B, queries, limit)
    owners = np.full(costs.shape[:3], -1, dtype=np.int64)
    for layer, image in np.ndindex(*costs.shape[:2]):
        cost = costs[layer, image]
        real = np.flatnonzero(cost[0] < np.inf)
        answers, objects = linear_sum_assignment(cost[:, real])
        owners[layer, image, answers] = real[objects]
    return torch.from_numpy(owners).to(logits.device, non_blocking=True)


def matching_costs(logits: Tensor, boxes: Tensor, targets: Tensor) -> Tensor:
    """(layers, B, queries, limit): less the probability of the object's class, plus five times the absolute error of
    its box, less twice their generalised overlap; infinite for a row that is no object. Arguments as for `match`."""
    labels, sides = targets[..., 4].long(), targets[..., :4]
    count = (*boxes.shape[:3], labels.shape[1])
    chosen = labels.clamp(min=0)[None, :, None].expand(count)
    share = logits.softmax(dim=-1).gather(3, chosen)
    apart = (boxes[:, :, :, None] - centred(sides)[None, :, None]).abs().sum(dim=-1)
    overlap = generalised_overlap(corners(boxes)[:, :, :, None], sides[None, :, None])
    cost = SIDES_COST * apart - LABEL_COST * share - OVERLAP_COST * overlap
    # An answer that isn't a number costs what it likes: the loss will say so.
    return cost.nan_to_num(0.0).masked_fill((labels < 0)[None, :, None], torch.inf)
