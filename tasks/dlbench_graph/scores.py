"""Losses of a batch, and scores of a whole split from the answers to its batches.

A score takes lists with one tensor per batch: the outputs of `predict`, and the targets.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def balanced_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy in which a class with n_c of the batch's V targets weighs (V - n_c) / V.

    Dwivedi et al. 2023, "Benchmarking Graph Neural Networks" (the loss of PATTERN and CLUSTER).
    """
    counts = torch.zeros_like(outputs[0], dtype=torch.int64).scatter_add(0, targets, torch.ones_like(targets))
    weights = (len(targets) - counts).to(outputs.dtype) / len(targets) * (counts > 0)
    one_class = (counts > 0).sum() < 2  # then every weight is 0
    weights = weights.masked_fill(one_class, 1.0)
    return F.cross_entropy(outputs, targets, weight=weights)


def absolute_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean absolute error."""
    return (outputs - targets).abs().mean()


def accuracy(outputs: list[Tensor], targets: list[Tensor]) -> float:
    """The share of right answers, over all batches."""
    right = sum((o.argmax(dim=1) == t).sum() for o, t in zip(outputs, targets, strict=True))
    return float(right) / sum(len(t) for t in targets)


def batch_balanced_accuracy(outputs: list[Tensor], targets: list[Tensor]) -> float:
    """The recall averaged over the classes, of each batch, averaged over the batches: the published metric of PATTERN
    and CLUSTER. A class that a batch lacks counts as 0 there."""
    return sum(float(_recall(o, t).mean()) for o, t in zip(outputs, targets, strict=True)) / len(targets)


def f1(outputs: list[Tensor], targets: list[Tensor]) -> float:
    """F1 of class 1 over all batches; 0 where nothing is found."""
    found = [o.argmax(dim=1) == 1 for o in outputs]
    true = [t == 1 for t in targets]
    hits = sum(int((f & t).sum()) for f, t in zip(found, true, strict=True))
    marked = sum(int(f.sum()) for f in found) + sum(int(t.sum()) for t in true)
    return 2 * hits / marked if marked else 0.0


def mean_absolute_error(outputs: list[Tensor], targets: list[Tensor]) -> float:
    """The mean absolute error over all batches."""
    total = sum(float((o - t).abs().double().sum()) for o, t in zip(outputs, targets, strict=True))
    return total / sum(len(t) for t in targets)


def _recall(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of each class, (num_classes,) float64."""
    classes = outputs.shape[1]
    counts = torch.bincount(targets, minlength=classes)
    right = torch.bincount(targets[outputs.argmax(dim=1) == targets], minlength=classes)
    return right.double() / counts.clamp(min=1)
