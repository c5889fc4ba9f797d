"""Average precision of findings, as COCO's evaluation computes it: by torchmetrics with faster-coco-eval.

Lin et al. 2014, "Microsoft COCO: Common Objects in Context": findings are matched by falling score, each to the
unmatched object of its class that it overlaps most; precision is interpolated at 101 recalls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MOST = 100
"""So many findings of an image count for each class, those of the highest scores."""


@dataclass(frozen=True)
class Precision:
    """Fractions. `map`: the mean of overlaps (intersection over union) of 0.5, 0.55 .. 0.95, and of classes; `ap50`,
    `ap75`: of the classes at one overlap; `each`: every class's at 0.5, 0 for one without objects and findings."""

    map: float
    ap50: float
    ap75: float
    each: tuple[float, ...]


def average_precision(
    found: Sequence[Tensor], targets: Tensor, *, size: tuple[int, int] = (1, 1), num_classes: int
) -> Precision:
    """`found`: of each image its findings (K, 6), `targets` (N, limit, 5), both as `Boxes` has them; `size` (height,
    width) of the images in pixels. All NaN where a finding isn't finite. Raises ValueError for a finding of an unknown
    class or a score above 1."""
    from torchmetrics.detection.mean_ap import MeanAveragePrecision

    rows = torch.cat(list(found))
    if not bool(rows.isfinite().all()):
        return Precision(math.nan, math.nan, math.nan, (math.nan,) * num_classes)
    _check(rows, num_classes)
    metric = MeanAveragePrecision(
        max_detection_thresholds=[1, 10, MOST], extended_summary=True, backend="faster_coco_eval"
    )
    metric.warn_on_many_detections = False
    pixels = torch.tensor([size[1], size[0], size[1], size[0]], dtype=torch.float32)
    counted = [findings[findings[:, 5] > 0] for findings in found]
    objects = [boxes[boxes[:, 4] >= 0] for boxes in targets]
    metric.update(
        [{"boxes": f[:, :4] * pixels, "labels": f[:, 4].long(), "scores": f[:, 5]} for f in counted],
        [{"boxes": o[:, :4] * pixels, "labels": o[:, 4].long()} for o in objects],
    )
    summary = metric.compute()
    each = dict.fromkeys(range(num_classes), 0.0)
    at_half = summary["precision"][0, :, :, 0, -1]  # (recalls, classes): all areas, the most findings
    for label, curve in zip(summary["classes"].view(-1).tolist(), at_half.T, strict=True):
        each[label] = max(float(curve.mean()), 0.0)  # -1 marks a class without objects
    overall = (max(float(summary[name]), 0.0) for name in ("map", "map_50", "map_75"))
    return Precision(*overall, tuple(each.values()))


def _check(rows: Tensor, num_classes: int) -> None:
    """Of those that are findings."""
    rows = rows[rows[:, 5] > 0]
    label, score = rows[:, 4], rows[:, 5]
    if bool(((label != label.round()) | (label < 0) | (label >= num_classes)).any()):
        raise ValueError(f"detect gave a finding of a class that isn't in 0..{num_classes - 1}")
    if bool((score > 1).any()):
        raise ValueError(f"detect gave a score of {float(score.max()):g}, but scores go from 0 to 1")
