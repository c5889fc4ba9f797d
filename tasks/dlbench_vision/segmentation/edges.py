"""Edges of generated pictures: the number asked for at every pixel is what a known 3x3 filter gives there.

The filter is that of Irwin Sobel and Gary Feldman, 1968, as in Duda and Hart, 1973, "Pattern Classification and Scene
Analysis". A single convolution can find it, and nothing can do better.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, PixelValue, unknown
from dlbench.data import Data

from .dense import DensePrediction, Split

SIDE = 32
SEED = 0
JUDGED_AT_ONCE = 100
SIZES = {"train": 400, "val": 50, "test": 100}
ACROSS = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
FILTERS = {"horizontal": ACROSS, "vertical": ACROSS.T}


class EdgeDetection(DensePrediction):
    """`kernel` (3, 3): what makes the targets of the images (N, 1, H, W) of each split. The targets of training have
    variance 1; the border pixels, of which the filter sees too little, don't count.

    `judge` gives `mse`, and `cosine`: between the model's answer to a single bright pixel (less its answer to none)
    and the filter's. For a network that is one filter, it is the cosine between the filters.
    """

    def __init__(self, images: dict[str, np.ndarray], *, kernel: np.ndarray, device: str = "cpu") -> None:
        found = {split: response(pixels, kernel) for split, pixels in images.items()}
        deviation = found["train"][:, 1:-1, 1:-1].std()
        splits: dict[str, Split] = {
            split: (pixels, (found[split] / deviation).astype(np.float32)) for split, pixels in images.items()
        }
        super().__init__(splits, output=PixelValue(), margin=1, device=device)
        self._kernel = torch.tensor(kernel, dtype=torch.float32, device=device)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        counted = 0
        for batch in self.batches(split, JUDGED_AT_ONCE, None):
            assert batch.targets is not None
            assert batch.mask is not None
            errors = (learner.predict(batch) - batch.targets).double().square()
            total += errors.masked_select(batch.mask).sum()
            counted += batch.size
        height, width = self.signature.input.height, self.signature.input.width  # type: ignore[attr-defined]
        pixels = counted * (height - 2) * (width - 2)
        return {"mse": total.item() / pixels, "cosine": self._cosine(learner, height, width)}

    def _cosine(self, learner: Any, height: int, width: int) -> float:
        shown = torch.zeros(2, 1, height, width, device=self.device)
        shown[0, 0, height // 2, width // 2] = 1
        answers = learner.predict(Batch(inputs=shown, size=2))
        wanted = F.conv2d(shown[:1], self._kernel[None, None], padding=1)[0, 0]
        return _cosine(answers[0] - answers[1], wanted)


def load(data: Data, *, direction: str) -> EdgeDetection:
    """`direction`: in which grey values change, horizontal or vertical."""
    if direction not in FILTERS:
        raise unknown("direction of edges", direction, FILTERS)
    random = np.random.default_rng(SEED)
    images = {split: np.stack([draw(random) for _ in range(count)])[:, None] for split, count in SIZES.items()}
    return EdgeDetection(images, kernel=FILTERS[direction], device=data.device)


def draw(random: np.random.Generator) -> np.ndarray:
    """A picture (SIDE, SIDE) uint8 of four to eight overlapping boxes and discs of one grey each, a little noisy."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    picture = np.full((SIDE, SIDE), int(random.integers(256)))
    for _ in range(random.integers(4, 9)):
        down, right = random.integers(SIDE, size=2)
        tall, wide = random.integers(2, SIDE // 3, size=2)
        box = (abs(rows - down) <= tall) & (abs(columns - right) <= wide)
        disc = (rows - down) ** 2 + (columns - right) ** 2 <= tall**2
        picture = np.where(disc if random.integers(2) else box, random.integers(256), picture)
    return np.clip(picture + random.integers(-8, 9, size=picture.shape), 0, 255).astype(np.uint8)


def response(images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """What a filter (3, 3) gives at each pixel of images (N, 1, H, W): whole numbers (N, H, W), with zeros beyond the
    border."""
    padded = np.pad(images[:, 0].astype(np.int64), ((0, 0), (1, 1), (1, 1)))
    height, width = images.shape[2:]
    parts = [
        int(kernel[i, j]) * padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3) if kernel[i, j]
    ]
    return np.sum(parts, axis=0)


def _cosine(first: Tensor, second: Tensor) -> float:
    """0 where one of them is zero everywhere."""
    first, second = first.double().flatten(), second.double().flatten()
    lengths = first.norm() * second.norm()
    return float(first @ second / lengths) if lengths > 0 else 0.0
