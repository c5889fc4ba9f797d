"""`ring8` and `grid25`: draw points like those of narrow Gaussians, on a circle or on a grid.

The data, what counts as a high-quality sample and a captured mode, and the divergence over modes follow Lin, Khetan,
Fanti & Oh 2018, "PacGAN: The power of two samples in generative adversarial networks". The ranking metric is this
task's own: captured modes take few values only, and one lucky point captures a mode.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlbench import UsageError

from .task import SPLIT_SEEDS, PointTask

NUM_SAMPLES = 2500
HIGH_QUALITY = 3.0  # in sd of a mode
HALF = math.sqrt(2 * math.log(2))  # in sd: the circle that holds half of a mode
OUTSIDE = math.exp(-(HIGH_QUALITY**2) / 2)  # the share of the truth that lies further than 3 sd from its mode
WITHIN = math.sqrt(1 - HIGH_QUALITY**2 / 2 * OUTSIDE / (1 - OUTSIDE))  # in sd: that of a mode's points within 3 sd
FEW, NARROW, MOSTLY = 1 / 4, 0.1, 0.5  # of the modes, of the true sd, of the samples


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Equal Gaussians of one `sd` around `centres` (K, 2). `seed`: of the data, and of the noise that judging draws.
    `half`: of the side of the square that pictures show."""

    name: str
    centres: NDArray[np.float64]
    sd: float
    seed: int
    half: float

    def draw(self, count: int, random: np.random.RandomState) -> NDArray[np.float32]:
        """(count, 2) points of the true distribution."""
        modes = random.randint(len(self.centres), size=count)
        return (self.centres[modes] + self.sd * random.standard_normal((count, 2))).astype(np.float32)

    def largest_sd(self) -> float:
        """With more, the 3-sd circles of neighbouring modes would overlap."""
        between = np.linalg.norm(self.centres[1:] - self.centres[0], axis=1).min()
        return float(between / 2 / HIGH_QUALITY)

    def cells(self) -> Tensor:
        """The true probability of each cell of `measure`, (2 K + 1,) float64: a mode's inner circle, its outer one,
        the next mode's, and so on; then the rest."""
        truth = torch.tensor([0.5, 0.5 - OUTSIDE], dtype=torch.float64).repeat(len(self.centres)) / len(self.centres)
        return torch.cat([truth, torch.tensor([OUTSIDE], dtype=torch.float64)])


def ring8(sd: float) -> Mixture:
    """Eight on a circle of radius 1, the first on the positive x axis."""
    angles = 2 * np.pi * np.arange(8) / 8
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return Mixture(name="ring8", centres=centres, sd=sd, seed=40, half=1.3)


def grid25(sd: float) -> Mixture:
    """25 on a grid from -4 to 4 in steps of 2."""
    line = np.arange(-4.0, 5.0, 2.0)
    centres = np.stack(np.meshgrid(line, line, indexing="ij"), axis=2).reshape(-1, 2)
    return Mixture(name="grid25", centres=centres, sd=sd, seed=50, half=5.0)


def measure(samples: Tensor, mixture: Mixture) -> dict[str, float]:
    """Compare samples (N, 2) with the truth. All is finite, also for samples that are no numbers.

    `overlap`: the plane is cut into 2 K + 1 cells (each mode's inner circle, which holds half of it, its outer one
    up to 3 sd, and the rest); the sum over cells of the smaller of the samples' share and the true probability, which
    is 1 minus their total variation distance.
    `modes`: how many have at least one sample within 3 sd. `high_quality`: the share of samples within 3 sd of a mode.
    `kl`: each sample goes to the nearest mode, however far; the Kullback-Leibler divergence in nats from the true
    distribution over modes, uniform, to the samples', sum q log(q K): 0 where all modes get the same, log K where one
    gets all. That is PacGAN's "reverse KL"; it says nothing of where in a mode samples lie. What is no number goes to
    the first mode.
    `spread`: the sd of high-quality samples within their modes (each about its own mean, pooled over modes, root mean
    square over the two axes), relative to what true points have there: 1 for the truth, 0 for copies of the centres;
    0 also where no two high-quality samples share a mode.
    """
    count, size = len(mixture.centres), len(samples)
    points = samples.double()
    centres = torch.from_numpy(mixture.centres).to(samples.device)
    distance, mode = torch.cdist(points, centres).div(mixture.sd).min(dim=1)
    near = distance <= HIGH_QUALITY  # a NaN is not
    cells = torch.where(near, 2 * mode + (distance > HALF), 2 * count)
    counts = torch.bincount(cells, minlength=2 * count + 1).cpu().double()
    held = counts[:-1].view(count, 2).sum(dim=1)
    return {
        "overlap": torch.minimum(counts / size, mixture.cells()).sum().item(),
        "modes": float((held > 0).sum().item()),
        "high_quality": 1.0 - counts[-1].item() / size,
        "kl": divergence(torch.where(distance.isfinite(), mode, 0), count),
        "spread": spread(points[near], mode[near], mixture),
    }


def divergence(modes: Tensor, count: int) -> float:
    """The Kullback-Leibler divergence in nats of how often each of `count` modes occurs in `modes` (N,) from evenly."""
    share = torch.bincount(modes, minlength=count).cpu().double() / len(modes)
    return max(0.0, torch.special.xlogy(share, share * count).sum().item())


def spread(points: Tensor, modes: Tensor, mixture: Mixture) -> float:
    """See `measure`; of points (N, 2) float64 and the mode of each (N,)."""
    held = torch.bincount(modes, minlength=len(mixture.centres))
    sums = points.new_zeros(len(held), 2).index_add_(0, modes, points)
    means = sums / held.clamp(min=1)[:, None]
    squares = (points - means[modes]).square().sum().item()
    free = 2 * (len(points) - int((held > 0).sum().item()))  # a mean costs each mode one point
    return math.sqrt(squares / free) / (mixture.sd * WITHIN) if free else 0.0


class MixtureTask(PointTask):
    """Judging draws 2,500 samples. `overlap_truth` is what as many true points have: those of the split itself."""

    num_samples = NUM_SAMPLES

    def __init__(self, mixture: Mixture, points: dict[str, Tensor], device: str = "cpu") -> None:
        super().__init__(points, device)
        self.mixture = mixture
        self.name, self.seed = mixture.name, mixture.seed
        self.frame = (-mixture.half, -mixture.half, mixture.half, mixture.half)
        self.truth = {split: measure(points[split], mixture)["overlap"] for split in ("val", "test")}

    def measure(self, samples: Tensor, split: str) -> dict[str, float]:
        return {**measure(samples, self.mixture), "overlap_truth": self.truth[split]}

    def warnings(self, metrics: dict[str, float]) -> Iterable[str]:
        """`collapsed`: samples go to a quarter of the modes or fewer (counted as evenly filled ones, K exp(-kl)), or
        most are near modes, and within each all alike."""
        few = metrics["kl"] >= -math.log(FEW) - 1e-9
        if few or (metrics["high_quality"] >= MOSTLY and metrics["spread"] < NARROW):
            yield "collapsed"


def make_task(mixture: Mixture, *, num_train: int, device: str = "cpu") -> MixtureTask:
    """Raises UsageError where `sd` is so large that the modes' 3-sd circles overlap, and for no point to train on."""
    if num_train < 1:
        raise UsageError(f"option 'num_train' needs a number of at least 1, not {num_train}")
    largest = mixture.largest_sd()
    if not 0 < mixture.sd <= largest:
        raise UsageError(f"option 'sd' needs a number above 0 and up to {largest:.4f}, not {mixture.sd}")
    points = {}
    for split, size in {"train": num_train, "val": NUM_SAMPLES, "test": NUM_SAMPLES}.items():
        random = np.random.RandomState([mixture.seed, SPLIT_SEEDS[split]])
        points[split] = torch.from_numpy(mixture.draw(size, random)).to(device)
    return MixtureTask(mixture, points, device)
