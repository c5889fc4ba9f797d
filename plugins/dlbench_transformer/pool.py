"""One vector of a sequence's many."""

from __future__ import annotations

import torch
from torch import Tensor

POOLS = ("mean", "first", "last", "max")


def pool(x: Tensor, lengths: Tensor | None, how: str) -> Tensor:
    """(B, T, width) -> (B, width): the mean, the first, the last or the largest over the places that are no padding.
    Raises ValueError where `how` is none of `POOLS`."""
    if how == "first":
        return x[:, 0]
    if how == "last":
        return x[:, -1] if lengths is None else x[torch.arange(len(x), device=x.device), lengths - 1]
    if how not in POOLS:
        raise ValueError(f"there is no pool {how!r}; there are {', '.join(POOLS)}")
    if lengths is None:
        return x.mean(dim=1) if how == "mean" else x.amax(dim=1)
    padding = (torch.arange(x.shape[1], device=x.device) >= lengths[:, None])[..., None]  # (B, T, 1)
    if how == "mean":
        return x.masked_fill(padding, 0.0).sum(dim=1) / lengths[:, None]
    return x.masked_fill(padding, float("-inf")).amax(dim=1)
