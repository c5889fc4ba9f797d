"""The Frechet distance between two sets of features.

Each set is taken as a Gaussian, of which the squared distance is |m - n|^2 + tr(S + T - 2 (S T)^(1/2)): Dowson and
Landau 1982, "The Frechet Distance between Multivariate Normal Distributions"; Heusel et al. 2017, "GANs Trained by a
Two Time-Scale Update Rule Converge to a Local Nash Equilibrium". It grows with the square of the features' scale, and
its estimate is too large by an amount that falls with the number of examples: only figures in the features of one
network and of one number of examples can be compared.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Mean (D,) and covariance (D, D), float64."""

    mean: Tensor
    covariance: Tensor


def moments(features: Tensor) -> Moments:
    """Of features (N, D), N of at least 2; the covariance is the unbiased one."""
    features = features.double()
    mean = features.mean(dim=0)
    centred = features - mean
    return Moments(mean, centred.T @ centred / (len(features) - 1))


def frechet(first: Moments, second: Moments) -> float:
    """The squared distance, at least 0; NaN where a moment isn't finite."""
    if not all(bool(moment.isfinite().all()) for moment in (*first, *second)):
        return float("nan")
    between = (first.mean - second.mean).square().sum()
    traces = first.covariance.trace() + second.covariance.trace()
    # the trace of (S T)^(1/2) is the sum of the singular values of S^(1/2) T^(1/2), which loses no digits where S or T
    # is singular
    common = torch.linalg.svdvals(_root(first.covariance) @ _root(second.covariance)).sum()
    return max(0.0, float(between + traces - 2 * common))


def _root(covariance: Tensor) -> Tensor:
    """The square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T
