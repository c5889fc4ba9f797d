"""The answer of several learners together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dlbench import Classes, EdgeClasses, NodeClasses, NodeValue, OutputKind, Value

CLASSES = (Classes, NodeClasses, EdgeClasses)
VALUES = (Value, NodeValue)


def can_be_averaged(kind: OutputKind) -> bool:
    return isinstance(kind, (*CLASSES, *VALUES))


def mean_of(outputs: Sequence[Tensor], kind: OutputKind) -> Tensor:
    """Of numbers the mean. Of logits (rows, classes) the logarithm of the mean of their probabilities, which are logits
    again."""
    stacked = torch.stack([output.float() for output in outputs])  # (members, ...)
    if isinstance(kind, VALUES):
        return stacked.mean(0)
    return stacked.log_softmax(-1).logsumexp(0) - math.log(len(outputs))
