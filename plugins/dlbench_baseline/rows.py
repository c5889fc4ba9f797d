"""Examples of any size as rows of one size, for baselines that compare numbers place by place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def as_rows(inputs: Any, frames: int) -> Tensor:
    """A batch as rows (B, D) of float32: vectors and images (B, ...) flattened; a batch of series with `.values`
    (B, T, F) and `.lengths` (B,) or None resized to `frames` steps each, less the mean over all its numbers, so that
    how long and how loud one is counts little."""
    if isinstance(inputs, Tensor):
        return inputs.flatten(1).float()
    resized = resize(inputs.values.float(), inputs.lengths, frames)  # (B, frames, F)
    return (resized - resized.mean(dim=(1, 2), keepdim=True)).flatten(1)


def resize(values: Tensor, lengths: Tensor | None, frames: int) -> Tensor:
    """Series (B, T, F) at `frames` places, evenly spaced from the first valid step to the last, by linear
    interpolation: (B, frames, F). A series of one step repeats it."""
    count, longest, _ = values.shape
    if lengths is None:
        lengths = torch.full((count,), longest, device=values.device)
    share = torch.linspace(0, 1, frames, device=values.device)
    places = share * (lengths[:, None] - 1)  # (B, frames)
    before = places.floor().long()
    after = torch.minimum(before + 1, lengths[:, None] - 1)
    weight = (places - before)[..., None]  # (B, frames, 1)
    rows = torch.arange(count, device=values.device)[:, None]
    return values[rows, before] * (1 - weight) + values[rows, after] * weight
