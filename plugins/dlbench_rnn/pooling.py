"""One vector per sequence of one per place: the last, the mean, the largest; padding left out."""

from __future__ import annotations

import torch
from torch import Tensor


def pool(hidden: Tensor, lengths: Tensor | None, how: str, *, bidirectional: bool = False) -> Tensor:
    """(B, T, D) -> (B, D); `how` is one of POOLS."""
    return POOLS[how](hidden, lengths, bidirectional)


def _last(hidden: Tensor, lengths: Tensor | None, bidirectional: bool) -> Tensor:
    """Where each direction has read the whole row: the last valid place, and the first for the backward half."""
    rows = torch.arange(len(hidden), device=hidden.device)
    last = hidden[:, -1] if lengths is None else hidden[rows, lengths - 1]
    if not bidirectional:
        return last
    half = hidden.shape[-1] // 2
    return torch.cat([last[:, :half], hidden[:, 0, half:]], -1)


def _mean(hidden: Tensor, lengths: Tensor | None, bidirectional: bool) -> Tensor:
    if lengths is None:
        return hidden.mean(1)
    return hidden.masked_fill(_padding(hidden, lengths), 0.0).sum(1) / lengths.unsqueeze(1)


def _max(hidden: Tensor, lengths: Tensor | None, bidirectional: bool) -> Tensor:
    if lengths is None:
        return hidden.amax(1)
    return hidden.masked_fill(_padding(hidden, lengths), float("-inf")).amax(1)


def _padding(hidden: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, 1)"""
    return (torch.arange(hidden.shape[1], device=hidden.device) >= lengths.unsqueeze(1)).unsqueeze(-1)


POOLS = {"last": _last, "mean": _mean, "max": _max}
