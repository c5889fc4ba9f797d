"""Bidirectional layers: Schuster and Paliwal 1997, "Bidirectional Recurrent Neural Networks".

Each row is turned round within its own length, so the backward cells meet its last valid place first and padding last.
Nothing is packed, and no step waits for the lengths to come from the device.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Bidirectional(nn.Module):
    """Two layers of one direction, side by side: (B, T, features) -> (B, T, 2 width), the forward half first."""

    def __init__(self, ahead: nn.Module, back: nn.Module) -> None:
        super().__init__()
        self.ahead, self.back = ahead, back

    def forward(self, x: Tensor, order: Tensor | None) -> Tensor:
        """`order`: what `reversal` gives for this batch."""
        return torch.cat([self.ahead(x)[0], reverse(self.back(reverse(x, order))[0], order)], -1)


def reversal(lengths: Tensor | None, places: int) -> Tensor | None:
    """Which place of the batch, of all B T in a row, comes to stand at each when rows of these lengths (B,) are turned
    round; padding stays. (B T,), or None where all rows are full."""
    if lengths is None:
        return None
    place = torch.arange(places, device=lengths.device)
    turned = lengths[:, None] - 1 - place  # (B, T), negative in the padding
    starts = torch.arange(len(lengths), device=lengths.device)[:, None] * places
    return (starts + torch.where(turned >= 0, turned, place)).flatten()


def reverse(x: Tensor, order: Tensor | None) -> Tensor:
    """(B, T, D) -> (B, T, D) with the places in that order. Twice gives x again."""
    if order is None:
        return x.flip(1)
    return x.flatten(0, 1).index_select(0, order).view_as(x)  # whole rows: faster than a gather number by number
