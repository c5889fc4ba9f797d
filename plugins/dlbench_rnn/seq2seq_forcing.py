"""Training a decoder partly on its own choices.

Bengio, Vinyals, Jaitly, Shazeer 2015, "Scheduled Sampling for Sequence Prediction with Recurrent Neural Networks",
differs: there a coin is thrown for each token of each sequence and its odds change in training. Here one coin of fixed
odds decides for a place of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def partly_forced(
    step: Callable[[Tensor, Any], tuple[Tensor, Any]], state: Any, previous: Tensor, share: float
) -> Tensor:
    """Logits (B, U, vocab), place by place. The first place sees `previous[:, 0]`; each later one sees the true
    `previous` with probability `share`, else the likeliest token of the place before. The coins come from torch's
    global generator on the CPU."""
    forced = (torch.rand(previous.shape[1]) < share).tolist()
    token, places = previous[:, 0], []
    for place in range(previous.shape[1]):
        if place and forced[place]:
            token = previous[:, place]
        logits, state = step(token, state)
        places.append(logits)
        token = logits.detach().argmax(dim=1)
    return torch.stack(places, dim=1)
