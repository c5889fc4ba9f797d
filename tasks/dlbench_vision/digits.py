"""Digits: 1,797 images of 8x8 in 17 shades of grey, as they come with scikit-learn.

E. Alpaydin, C. Kaynak (1998): Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (its test
part). It has no published split for neural networks, so the split here is dlbench's own.
"""

from __future__ import annotations

import numpy as np

from dlbench.data import Data
from dlbench.data.splits import stratified_split

from .images import ImageClassification, Split

SIZES = {"train": 1077, "val": 360, "test": 360}
SPLIT_SEED = 0
SHUFFLE_SEED = 1


def load(data: Data, *, shuffle_labels: bool = False) -> ImageClassification:
    """`shuffle_labels`: give the labels of each split to its images at random, always in the same way: nothing can be
    learned then, while the split and its class counts stay as they are."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[:, None]  # (N, 1, 8, 8), 0..16
    labels = bunch.target.astype(np.uint8)
    indices = dict(zip(SIZES, stratified_split(labels, tuple(SIZES.values()), SPLIT_SEED), strict=True))
    splits = {name: (images[index], labels[index]) for name, index in indices.items()}
    if shuffle_labels:
        splits = _shuffled(splits)
    return ImageClassification(splits, num_classes=10, device=data.device)


def _shuffled(splits: dict[str, Split]) -> dict[str, Split]:
    generator = np.random.default_rng(SHUFFLE_SEED)
    return {name: (images, generator.permutation(labels)) for name, (images, labels) in splits.items()}
