"""Splits of sets whose graphs come in order: first those to train on, then validation, then test."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def in_order(sizes: Sequence[int], device: str = "cpu") -> dict[str, Tensor]:
    """Indices of graphs for train, val and test of these sizes."""
    parts = torch.split(torch.arange(sum(sizes), device=device), list(sizes))
    return dict(zip(("train", "val", "test"), parts, strict=True))
