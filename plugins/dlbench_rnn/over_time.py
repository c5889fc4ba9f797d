"""The largest answer of each feature map over a sequence, padding left out."""

from __future__ import annotations

import torch
from torch import Tensor


def max_over_time(answers: Tensor, lengths: Tensor | None, kernel: int) -> Tensor:
    """(B, maps, T + kernel - 1) -> (B, maps), of a convolution whose input had `kernel` - 1 zeros on either side.

    What counts are the windows that hold a valid place, and padding holds zeros in them like the margin: so a row
    shorter than the kernel works, and the answer is the same however far the batch is filled up.
    """
    if lengths is None:
        return answers.amax(-1)
    window = torch.arange(answers.shape[-1], device=answers.device)  # window i ends at place i
    beyond = window >= (lengths + kernel - 1).unsqueeze(-1)  # (B, T + kernel - 1)
    return answers.masked_fill(beyond.unsqueeze(1), float("-inf")).amax(-1)
