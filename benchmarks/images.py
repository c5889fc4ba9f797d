"""Random images in the shapes of known data sets: for speed, pixels are pixels."""

from __future__ import annotations

import numpy as np

from dlbench_vision.images import ImageClassification


def random_images(channels: int, side: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (count, channels, side, side), dtype=np.uint8)
    return pixels, generator.integers(0, 10, count).astype(np.uint8)


def random_task(channels: int, side: int, count: int = 2048) -> ImageClassification:
    """A vision task of this shape; its three splits are the same images."""
    split = random_images(channels, side, count)
    return ImageClassification(dict.fromkeys(("train", "val", "test"), split), num_classes=10)
