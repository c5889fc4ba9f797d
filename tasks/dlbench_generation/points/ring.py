"""`ring8`: draw points like those of eight narrow Gaussians on a circle.

The data and what counts as a high-quality sample and a captured mode follow Lin, Khetan, Fanti & Oh 2018, "PacGAN: The
power of two samples in generative adversarial networks". The ranking metric is this task's own: captured modes take
nine values only, and one lucky point captures a mode.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlbench import Batch, Sample, Signature, UsageError, Vector
from dlbench.data.batches import GatheredBatches

SEED = 40
MODES, RADIUS = 8, 1.0
NUM_SAMPLES = 2500
HIGH_QUALITY = 3.0  # in sd of a mode
HALF = math.sqrt(2 * math.log(2))  # in sd: the circle that holds half of a mode
OUTSIDE = math.exp(-(HIGH_QUALITY**2) / 2)  # the share of the truth that lies further than 3 sd from its mode
LARGEST_SD = RADIUS * math.sin(math.pi / MODES) / HIGH_QUALITY  # with more, neighbouring modes would overlap
SPLIT_SEEDS = {"train": 1, "val": 2, "test": 3}


def mode_centres() -> NDArray[np.float64]:
    """(8, 2), the first on the positive x axis."""
    angles = 2 * np.pi * np.arange(MODES) / MODES
    return RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def draw_points(count: int, sd: float, random: np.random.RandomState) -> NDArray[np.float32]:
    """(count, 2) points of the true distribution."""
    modes = random.randint(MODES, size=count)
    return (mode_centres()[modes] + sd * random.standard_normal((count, 2))).astype(np.float32)


def measure(samples: Tensor, sd: float) -> dict[str, float]:
    """Compare samples (N, 2) with the truth.

    `overlap`: the plane is cut into 17 cells (each mode's inner and outer circle, the rest); the sum over cells of the
    smaller of the samples' share and the true probability, which is 1 minus their total variation distance.
    `modes`: how many have at least one sample within 3 sd. `high_quality`: the share of samples within 3 sd of a mode.
    """
    centres = torch.from_numpy(mode_centres()).to(samples.device)
    distance, mode = torch.cdist(samples.double(), centres).div(sd).min(dim=1)
    near = distance <= HIGH_QUALITY  # a NaN is not
    cells = torch.where(near, 2 * mode + (distance > HALF), 2 * MODES)
    counts = torch.bincount(cells, minlength=2 * MODES + 1).cpu().double()
    truth = torch.tensor([0.5, 0.5 - OUTSIDE], dtype=torch.float64).repeat(MODES) / MODES
    truth = torch.cat([truth, torch.tensor([OUTSIDE], dtype=torch.float64)])
    captured = counts[:-1].view(MODES, 2).sum(dim=1) > 0
    return {
        "overlap": torch.minimum(counts / len(samples), truth).sum().item(),
        "modes": float(captured.sum().item()),
        "high_quality": 1.0 - counts[-1].item() / len(samples),
    }


class RingTask:
    """Batches hold true points; judging draws 2,500 samples with a generator of the split's own."""

    def __init__(self, *, sd: float, points: dict[str, Tensor], device: str = "cpu") -> None:
        self.signature = Signature(input=Vector(features=2), output=Sample())
        self.sd, self.points, self.device = sd, points, device

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        points = self.points[split]
        return GatheredBatches(
            len(points), batch_size, generator, lambda i: Batch(inputs=points[i], size=len(i)), self.device
        )

    def loss(self, outputs: Any, batch: Batch) -> NoReturn:
        """Raises NotImplementedError: a generative model brings its own."""
        raise NotImplementedError("ring8 has no loss of its own: build a Learner that defines loss or train_step")

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        generator = torch.Generator().manual_seed(SEED + SPLIT_SEEDS[split])
        samples = learner.sample(NUM_SAMPLES, generator)
        if tuple(samples.shape) != (NUM_SAMPLES, 2):
            raise ValueError(f"sample returned the shape {tuple(samples.shape)} instead of {(NUM_SAMPLES, 2)}")
        return measure(samples, self.sd)


def make_task(*, sd: float, num_train: int, device: str = "cpu") -> RingTask:
    """Raises UsageError where `sd` is so large that the modes' 3-sd circles overlap, and for no point to train on."""
    if num_train < 1:
        raise UsageError(f"option 'num_train' needs a number of at least 1, not {num_train}")
    if not 0 < sd <= LARGEST_SD:
        raise UsageError(f"option 'sd' needs a number above 0 and up to {LARGEST_SD:.4f}, not {sd}")
    sizes = {"train": num_train, "val": NUM_SAMPLES, "test": NUM_SAMPLES}
    points = {
        split: torch.from_numpy(draw_points(size, sd, np.random.RandomState([SEED, SPLIT_SEEDS[split]]))).to(device)
        for split, size in sizes.items()
    }
    return RingTask(sd=sd, points=points, device=device)
