"""`moons`: draw points like those of two half circles that reach into each other, blurred by a Gaussian.

The shape is scikit-learn's `make_moons`; here the place along a half circle is drawn evenly, not set in equal steps, so
that the density is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlbench import UsageError

from .discrepancy import Discrepancy, collapsed, tame
from .task import SPLIT_SEEDS, PointTask

NUM_SAMPLES = 1000
SCALES = (0.1, 0.3, 1.0)
SMALLEST_NOISE, LARGEST_NOISE = 0.02, 1.0
NODES = 400  # of the integral along a half circle; enough for the smallest noise
RARE = 0.05
SEED = 60


def on_arcs(angle: NDArray[np.float64], lower: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The points (N, 2) of the upper or the lower half circle at angles (N,) from 0 to pi."""
    sign = np.where(lower, -1.0, 1.0)
    return np.stack([np.where(lower, 1.0, 0.0) + sign * np.cos(angle), sign * np.sin(angle) + 0.5 * lower], axis=1)


def draw(count: int, noise: float, random: np.random.RandomState) -> NDArray[np.float32]:
    """(count, 2) points of the true distribution."""
    points = on_arcs(random.uniform(0, np.pi, count), random.randint(2, size=count) == 1)
    return (points + noise * random.standard_normal((count, 2))).astype(np.float32)


class Density:
    """The true density for a `noise`: the mean of Gaussians along both arcs, by Gauss and Legendre's rule."""

    def __init__(self, noise: float, device: str = "cpu") -> None:
        places, weights = np.polynomial.legendre.leggauss(NODES)
        angle = np.tile((places + 1) * np.pi / 2, 2)
        self.noise = noise
        self.centres = torch.from_numpy(on_arcs(angle, np.arange(2 * NODES) >= NODES)).to(device)
        self.log_weights = torch.from_numpy(np.log(np.tile(weights / 4, 2))).to(device)

    def log(self, points: Tensor) -> Tensor:
        """Its logarithm at points (N, 2), (N,) float64."""
        squared = torch.cdist(points.double(), self.centres).square()
        parts = self.log_weights - squared / (2 * self.noise**2)
        return parts.logsumexp(dim=1) - math.log(2 * math.pi * self.noise**2)


class MoonsTask(PointTask):
    """Judging draws 1,000 samples.

    `mmd_1000`: their maximum mean discrepancy to the split's 1,000 points; `mmd_1000_floor`: that of 1,000 training
    points. `high_density`: the share of samples at places at least as dense as those of 95 % of the true points.
    `spread`: how far samples lie from their mean, relative to true points.
    """

    name, seed, num_samples = "moons", SEED, NUM_SAMPLES
    frame = (-1.6, -1.1, 2.6, 1.6)

    def __init__(self, points: dict[str, Tensor], noise: float, device: str = "cpu") -> None:
        super().__init__(points, device)
        self.density = Density(noise, device)
        self.rare = self.density.log(points["test"]).quantile(RARE).item()
        self.truth = {split: Discrepancy(points[split], SCALES) for split in ("val", "test")}
        self.floor = {split: truth.mmd(points["train"][:NUM_SAMPLES]) for split, truth in self.truth.items()}

    def measure(self, samples: Tensor, split: str) -> dict[str, float]:
        return {
            "mmd_1000": self.truth[split].mmd(samples),
            "high_density": (self.density.log(tame(samples)) >= self.rare).double().mean().item(),
            "spread": self.truth[split].spread(samples),
            "mmd_1000_floor": self.floor[split],
        }

    def warnings(self, metrics: dict[str, float]) -> Iterable[str]:
        """`collapsed`: samples are all alike."""
        return collapsed(metrics)


def make_task(*, noise: float, num_train: int, device: str = "cpu") -> MoonsTask:
    """Raises UsageError for a noise whose density isn't known well, and for no point to train on."""
    if num_train < 1:
        raise UsageError(f"option 'num_train' needs a number of at least 1, not {num_train}")
    if not SMALLEST_NOISE <= noise <= LARGEST_NOISE:
        raise UsageError(f"option 'noise' needs a number from {SMALLEST_NOISE} to {LARGEST_NOISE}, not {noise}")
    points = {}
    for split, size in {"train": num_train, "val": NUM_SAMPLES, "test": NUM_SAMPLES}.items():
        drawn = draw(size, noise, np.random.RandomState([SEED, SPLIT_SEEDS[split]]))
        points[split] = torch.from_numpy(drawn).to(device)
    return MoonsTask(points, noise, device)
