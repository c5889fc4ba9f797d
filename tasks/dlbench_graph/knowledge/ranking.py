"""Where the right entity stands among all others, and figures of it."""

from __future__ import annotations

import torch
from torch import Tensor

HITS = (1, 3, 10)


def ranks(scores: Tensor, targets: Tensor, left_out: Tensor) -> Tensor:
    """The place of each target (B,) among the scores (B, E) of its row, float64 (B,), from 1 for the highest.

    Entities that are `left_out` (B, E), bool, aren't counted; a target always is. Where others score the same as it,
    its place is the middle of those that they share: the "realistic" rank of Berrendorf et al. 2020, "On the Ambiguity
    of Rank-Based Evaluation of Entity Alignment or Link Prediction Methods". A row with NaN has the rank NaN.
    """
    right = scores.gather(1, targets[:, None])
    others = ~left_out.scatter(1, targets[:, None], True)
    higher = ((scores > right) & others).sum(dim=1)
    alike = ((scores == right) & others).sum(dim=1)
    return (1 + higher + alike.double() / 2).masked_fill(scores.isnan().any(dim=1), float("nan"))


def figures(places: Tensor) -> dict[str, float]:
    """The mean reciprocal rank, the shares within the first 1, 3 and 10, and the mean rank, of ranks (Q,)."""
    found = {"mrr": float(places.reciprocal().mean())}
    found |= {f"hits_at_{most}": float((places <= most).double().mean()) for most in HITS}
    return {**found, "mean_rank": float(places.mean())}


def by_chance(candidates: Tensor) -> dict[str, float]:
    """What `figures` gives in expectation where all scores are drawn independently from one continuous distribution.

    `candidates` (Q,) int64: how many entities aren't left out of each question, the right one included. With C of them
    the rank is uniform on 1 to C, so that its reciprocal is (1 + 1/2 + ... + 1/C) / C on average.
    """
    count = candidates.double()
    harmonic = torch.arange(1, int(candidates.max()) + 1, dtype=torch.float64).reciprocal().cumsum(0)
    found = {"mrr": float((harmonic[candidates.cpu() - 1].to(count.device) / count).mean())}
    found |= {f"hits_at_{most}": float((most / count).clamp(max=1).mean()) for most in HITS}
    return {**found, "mean_rank": float(((count + 1) / 2).mean())}
