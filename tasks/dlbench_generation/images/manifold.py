"""Improved precision and recall: Kynkaanniemi et al. 2019, "Improved Precision and Recall Metric for Assessing
Generative Models"."""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBOURS = 3
EXACT = "donot_use_mm_for_euclid_dist"  # products lose the small distances
AT_ONCE = 500


def precision_and_recall(samples: Tensor, real: Tensor, k: int = NEIGHBOURS) -> tuple[float, float]:
    """The share of the samples (N, D) that lie in the manifold of the real examples (M, D), and the share of those that
    lie in the manifold of the samples. A manifold is made of balls round each point that reach to its k-th neighbour.
    Noise may have a high precision, where a real example lies far from all others."""
    return covered(samples, real, k), covered(real, samples, k)


def covered(points: Tensor, centres: Tensor, k: int = NEIGHBOURS) -> float:
    """The share of the points (N, D) that lie in the manifold of the centres (M, D). Raises ValueError where there
    aren't more than k of these."""
    if len(centres) <= k:
        raise ValueError(f"{len(centres)} points are too few to have {k} neighbours each")
    # the nearest of all is the point itself
    radii = torch.cat([_distances(part, centres).kthvalue(k + 1, dim=1).values for part in centres.split(AT_ONCE)])
    inside = [(_distances(part, centres) <= radii).any(dim=1) for part in points.split(AT_ONCE)]
    return float(torch.cat(inside).double().mean())


def _distances(points: Tensor, centres: Tensor) -> Tensor:
    return torch.cdist(points, centres, compute_mode=EXACT)
