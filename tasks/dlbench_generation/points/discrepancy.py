"""How far a set of samples is from a set of true points, by a kernel that is the same for every model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

FAR = 1e3
"""Where samples that are no numbers are put: no kernel sees them there."""
NARROW = 0.1
"""Samples of a smaller spread than this share of the truth's are all alike."""


class Discrepancy:
    """Compares samples with true points (M, F) by the maximum mean discrepancy and by their spread.

    The kernel is the mean of exp(-d^2 / (2 h^2)) over `scales` h, of the distance d.
    """

    def __init__(self, truth: Tensor, scales: Sequence[float]) -> None:
        self.truth, self.scales = truth.double(), tuple(scales)
        self._within = self._mean(self.truth, self.truth)

    def mmd(self, samples: Tensor) -> float:
        """The distance between the means of samples (N, F) and of the truth in the kernel's space, 0 for equal sets.

        Gretton, Borgwardt, Rasch, Schoelkopf & Smola 2012, "A Kernel Two-Sample Test", equation 5, without the
        correction for small sets: samples of the truth itself are at about sqrt(1/N + 1/M), so N must be fixed.
        """
        samples = tame(samples)
        squared = self._mean(samples, samples) + self._within - 2 * self._mean(samples, self.truth)
        return squared.clamp(min=0).sqrt().item()

    def spread(self, samples: Tensor) -> float:
        """How far samples lie from their mean, root mean square, relative to what true points do; at most 1000."""
        return min(FAR, _scale(tame(samples)) / max(_scale(self.truth), 1e-12))

    def _mean(self, first: Tensor, second: Tensor) -> Tensor:
        """The kernel's mean over all pairs of points of two sets, its scales' mean too."""
        squared = torch.cdist(first, second).square_()
        return torch.stack([(squared / (-2 * h * h)).exp_().mean() for h in self.scales]).mean()


def tame(samples: Tensor) -> Tensor:
    """In float64, and finite: what is no number, or far away, lies at a distance of 1000."""
    return samples.double().nan_to_num(nan=FAR, posinf=FAR, neginf=-FAR).clamp(-FAR, FAR)


def collapsed(metrics: dict[str, float]) -> Iterable[str]:
    """The flag `collapsed` for samples that are all alike."""
    if metrics["spread"] < NARROW:
        yield "collapsed"


def _scale(points: Tensor) -> float:
    return (points - points.mean(dim=0)).square().sum(dim=1).mean().sqrt().item()
