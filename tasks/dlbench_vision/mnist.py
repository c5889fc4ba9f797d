"""MNIST and Fashion-MNIST: 28x28 grey images, ten classes, the same four files."""

from __future__ import annotations

from dlbench.data import Data

from .idx import read_pair
from .images import ImageClassification, hold_out_last

NUM_VAL = 5000


def load(data: Data, *, folder: str) -> ImageClassification:
    """`folder`: of the data root. The published test set is the test split; the last 5,000 of the published training
    set are validation. Raises NoData for missing or damaged files."""
    images, labels = read_pair(
        data.path(f"{folder}/train-images-idx3-ubyte.gz"), data.path(f"{folder}/train-labels-idx1-ubyte.gz")
    )
    test = read_pair(data.path(f"{folder}/t10k-images-idx3-ubyte.gz"), data.path(f"{folder}/t10k-labels-idx1-ubyte.gz"))
    splits = {**hold_out_last(images, labels, NUM_VAL), "test": test}
    return ImageClassification(splits, num_classes=10, device=data.device)
