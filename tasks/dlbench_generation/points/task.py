"""What every task on points shares: batches of points, samples that are drawn once a split, likelihoods, a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlbench import Batch, Sample, Signature, Vector
from dlbench.data.batches import GatheredBatches

SPLIT_SEEDS = {"train": 1, "val": 2, "test": 3}
BATCH = 500  # points whose density is asked for at once
INK, PAPER, GREY = (200, 30, 40), 255, 185

Frame = tuple[float, float, float, float]
"""Left, bottom, right and top of a picture."""


class PointTask:
    """Batches hold points (B, F); judging draws `num_samples` with a generator of the split's own.

    A subclass says how samples are compared with a split (`measure`), where they lie on a picture (`place`), and which
    flags its metrics give (`warnings`). On the test split, models that know a density also get `nll`, the mean negative
    log density of its points in nats, or an upper bound of it; it is left out where it isn't finite.
    """

    name: str
    seed: int
    num_samples: int
    frame: Frame

    def __init__(self, points: Mapping[str, Tensor], device: str = "cpu") -> None:
        """`points`: float32 (N, F) by split, on the device."""
        self.points, self.device = points, device
        self.signature = Signature(input=Vector(features=points["train"].shape[1]), output=Sample())

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        points = self.points[split]
        return GatheredBatches(
            len(points), batch_size, generator, lambda i: Batch(inputs=points[i], size=len(i)), self.device
        )

    def loss(self, outputs: Any, batch: Batch) -> NoReturn:
        """Raises NotImplementedError: a generative model brings its own."""
        raise NotImplementedError(f"{self.name} has no loss of its own: build a Learner with loss or train_step")

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        found = self.measure(self.draw(learner, split), split)
        if split == "test" and learner.offers("log_density") and self.comparable(learner):
            densities = [learner.log_density(batch).double().sum().item() for batch in self.batches(split, BATCH, None)]
            nll = -sum(densities) / len(self.points[split])
            found |= {"nll": nll} if math.isfinite(nll) else {}
        return found

    def draw(self, learner: Any, split: str) -> Tensor:
        """The samples (num_samples, F) by which a learner is judged. Raises ValueError for another shape."""
        generator = torch.Generator().manual_seed(self.seed + SPLIT_SEEDS[split])
        samples = learner.sample(self.num_samples, generator)
        wanted = (self.num_samples, self.points[split].shape[1])
        if tuple(samples.shape) != wanted:
            raise ValueError(f"sample returned the shape {tuple(samples.shape)} instead of {wanted}")
        return samples

    def measure(self, samples: Tensor, split: str) -> dict[str, float]:
        raise NotImplementedError

    def comparable(self, learner: Any) -> bool:
        """Whether a learner's density is one of the kind that this task's likelihoods are."""
        return True

    def place(self, points: Tensor) -> Tensor:
        """Points (N, F) on the plane of the picture, (N, 2)."""
        return points

    def pictures(self, learner: Any) -> dict[str, NDArray[np.uint8]]:
        """`samples`, (H, W, 3) uint8: the samples for the test split in red over as many training points in grey."""
        samples = self.place(self.draw(learner, "test")).cpu().numpy()
        known = self.place(self.points["train"][: self.num_samples]).cpu().numpy()
        return {"samples": scatter(known, samples, self.frame)}


def scatter(under: NDArray[Any], over: NDArray[Any], frame: Frame, *, longer: int = 480) -> NDArray[np.uint8]:
    """A picture (H, W, 3), its longer side of so many pixels: points `under` (N, 2) in grey, `over` (M, 2) in red, of
    2 x 2 pixels each. Those outside the frame, and those that are no numbers, aren't drawn."""
    left, bottom, right, top = frame
    step = max(right - left, top - bottom) / longer
    width, height = round((right - left) / step), round((top - bottom) / step)
    picture = np.full((height, width, 3), PAPER, dtype=np.uint8)
    for points, colour in ((under, GREY), (over, INK)):
        columns, rows = (points[:, 0] - left) / step, (top - points[:, 1]) / step
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)  # a NaN isn't
        row, column = rows[inside].astype(int), columns[inside].astype(int)
        for down, along in ((0, 0), (0, 1), (1, 0), (1, 1)):
            picture[np.minimum(row + down, height - 1), np.minimum(column + along, width - 1)] = colour
    return picture
