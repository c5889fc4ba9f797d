"""How near samples lie to training examples: what was learnt by heart shows there and nowhere else.

Bootstrapped training examples have nearly the Frechet distance, the precision and the recall of new ones. The distances
are Euclidean, between pixels, so copies that were moved by a pixel aren't seen.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

AT_ONCE = 5000
QUANTILE = 0.01


def to_nearest(points: Tensor, examples: Tensor, floats: Callable[[Tensor], Tensor]) -> Tensor:
    """The distance of each point (N, D) to the nearest of the examples (M, ...), which `floats` makes numbers of as the
    points have them: float32 (N,), exact also where it is small."""
    best = points.new_full((len(points),), torch.inf)
    index = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    for start in range(0, len(examples), AT_ONCE):
        part = floats(examples[start : start + AT_ONCE]).flatten(1)
        halves = 0.5 * part.square().sum(dim=1) - points @ part.T  # half of the squared distance, less |point|^2 / 2
        least, place = halves.min(dim=1)
        better = least < best
        best, index = torch.where(better, least, best), torch.where(better, place + start, index)
    nearest = floats(examples[index]).flatten(1)
    return (points - nearest).norm(dim=1)


def copied(distances: Tensor, real: Tensor) -> tuple[float, float]:
    """Of the distances to training examples, of samples (N,) and of real examples that weren't trained on (M,): the
    share of the samples that are nearer than all but 1 % of the real ones, and the ratio of the means. Real ones score
    0.01 and 1, copies 1 and 0."""
    limit = real.double().quantile(QUANTILE)
    return float((distances < limit).double().mean()), float(distances.double().mean() / real.double().mean())
