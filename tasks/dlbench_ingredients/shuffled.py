"""The control of Zhang, Bengio, Hardt, Recht and Vinyals (2017), "Understanding Deep Learning Requires Rethinking
Generalization": labels that say nothing about their images.

A network with enough parameters learns them by heart all the same, so its training error tells nothing of what it
knows: on test it must stand at chance, or something leaks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlbench import Batch, UsageError
from dlbench.data import Data
from dlbench.data.batches import GatheredBatches
from dlbench.data.images import ImageClassification
from dlbench_vision.robustness import BASES


class Shuffled:
    """The images of `base`, of which training takes the first `images` (0: all), with the labels of the training split
    permuted once, by `seed`, and those of validation permuted among themselves. The test split is left as it is.

    Permuted, not drawn: each class keeps its count, so the share of the most frequent class stays the floor. Validation
    is permuted too, because a state that is chosen by true labels is the luckiest of several guesses, which would lift
    the test score above chance; labels that say nothing choose nothing. Beside what the task itself gives, `judge`
    gives `train_error`, the share of the training images whose (permuted) label isn't learnt.

    Chance holds on average over permutations, and no closer than they differ: a network that learns labels by heart
    gives alike images the same answer, so under one permutation its hits come in clusters and spread wider than a
    coin's.
    """

    def __init__(self, base: ImageClassification, *, images: int, seed: int) -> None:
        splits = {split: _arrays(base.examples(split)) for split in ("train", "val", "test")}
        if images:
            pixels, labels = splits["train"]
            splits["train"] = pixels[:images], labels[:images]
        generator = np.random.default_rng(seed)
        for split in ("train", "val"):
            pixels, labels = splits[split]
            splits[split] = pixels, generator.permutation(labels)
        num_classes = base.signature.output.num_classes  # type: ignore[attr-defined]
        self._task = ImageClassification(splits, num_classes=num_classes, device=base.device)
        self.signature = self._task.signature

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        return self._task.batches(split, batch_size, generator)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return self._task.loss(outputs, batch)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        found = self._task.judge(learner, split)
        return {**found, "train_error": 1 - self._task.judge(learner, "train")["accuracy"]}


def load(data: Data, *, task: str, images: int, seed: int) -> Shuffled:
    """Raises UsageError for counts and seeds that can't be."""
    if images < 0 or seed < 0:
        raise UsageError(f"shuffled needs images and a seed of at least 0, not {images} and {seed}")
    return Shuffled(BASES[task](data), images=images, seed=seed)


def _arrays(examples: tuple[Tensor, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = examples
    return images.cpu().numpy(), labels.cpu().numpy()
