"""Image classification, as the core has it for everybody's images, and how the published sets are split."""

from __future__ import annotations

import numpy as np

from dlbench.data.images import ImageClassification as ImageClassification
from dlbench.data.images import Split as Split
from dlbench.data.images import channel_statistics as channel_statistics


def hold_out_last(images: np.ndarray, labels: np.ndarray, count: int) -> dict[str, Split]:
    """`train` and `val`: the last `count` images are validation."""
    if not 0 < count < len(labels):
        raise ValueError(f"can't hold {count} of {len(labels)} images out")
    cut = len(labels) - count
    return {"train": (images[:cut], labels[:cut]), "val": (images[cut:], labels[cut:])}
