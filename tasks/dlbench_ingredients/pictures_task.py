"""Image classification with few training images, judged on transformed test images too."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlbench import UsageError
from dlbench.data.images import ImageClassification, Split
from dlbench_vision.robustness.disturb import canvas_of

from .pictures import TRANSFORMED
from .pictures_transforms import TRANSFORMS, Pictures

NUM_VAL = 2000
NUM_TRANSFORMED = 2000
"""At most; the transformed test sets are of the same images."""
SUBSET_SEED, NOISE_SEED, TRANSFORM_SEED = 0, 1, 2


class SmallPictures(ImageClassification):
    """`images` training images of `base`, of all classes alike, of which a share `label_noise` has a wrong label; up to
    2,000 of its validation images; its test images.

    `judge` gives `accuracy` and `cross_entropy`, and on the test split also the accuracy on each transformed set, which
    is the same for all models and seeds. No split but the training split has wrong labels. Raises UsageError for
    options that can't be.
    """

    def __init__(self, base: ImageClassification, *, name: str, images: int, label_noise: float) -> None:
        splits = {split: _arrays(base, split) for split in ("train", "val", "test")}
        num_classes = base.signature.output.num_classes  # type: ignore[attr-defined]
        if not 0 <= label_noise <= 1:
            raise UsageError(f"{name} needs a label_noise from 0 to 1, not {label_noise}")
        chosen = balanced(splits["train"][1], images, num_classes, SUBSET_SEED, name)
        pixels, labels = (array[chosen] for array in splits["train"])
        train = pixels, with_noise(labels, label_noise, num_classes)
        val = (splits["val"][0][:NUM_VAL], splits["val"][1][:NUM_VAL])
        super().__init__(
            {"train": train, "val": val, "test": splits["test"]}, num_classes=num_classes, device=base.device
        )
        self._canvas = canvas_of(self.examples("train")[0])
        rng = np.random.default_rng(TRANSFORM_SEED)
        count = len(splits["test"][1])
        self._shown = np.sort(rng.permutation(count)[: min(count, NUM_TRANSFORMED)])

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        found = super().judge(learner, split)
        if split == "test":
            for name in TRANSFORMED:
                self._splits["transformed"] = self.transformed(name, split)
                found[f"accuracy_{name}"] = super().judge(learner, "transformed")["accuracy"]
            del self._splits["transformed"]
        return found

    def transformed(self, name: str, split: str) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) uint8 and labels of one of the transformed sets; of the test split the images that are
        judged, of others all."""
        images, labels = self.examples(split)
        if split == "test":
            shown = torch.from_numpy(self._shown).to(images.device)
            images, labels = images[shown], labels[shown]
        mean = tuple(round(value) for value in self._mean.flatten().tolist())
        given = Pictures(images, labels, self._canvas, mean, torch.Generator().manual_seed(TRANSFORM_SEED))
        with torch.no_grad():
            return TRANSFORMS[name](given), labels


def balanced(labels: np.ndarray, count: int, num_classes: int, seed: int, name: str) -> np.ndarray:
    """`count` indices in order, as many of each class; where that doesn't go, the first classes have one more. Raises
    UsageError where a class hasn't so many."""
    rng = np.random.default_rng(seed)
    parts = []
    for label in range(num_classes):
        wanted, there = count // num_classes + (label < count % num_classes), np.flatnonzero(labels == label)
        if not 0 < wanted <= len(there):
            most = num_classes * min(np.bincount(labels, minlength=num_classes))
            raise UsageError(f"{name} trains on {num_classes} to {most} images, all classes alike, not on {count}")
        parts.append(rng.permutation(there)[:wanted])
    return np.sort(np.concatenate(parts))


def with_noise(labels: np.ndarray, share: float, num_classes: int) -> np.ndarray:
    """The labels with a `share` of them, rounded, replaced by another class, every one as likely."""
    rng = np.random.default_rng(NOISE_SEED)
    wrong = rng.permutation(len(labels))[: round(share * len(labels))]
    noisy = labels.copy()
    noisy[wrong] = (labels[wrong] + rng.integers(1, num_classes, len(wrong))) % num_classes
    return noisy


def _arrays(base: ImageClassification, split: str) -> Split:
    images, labels = base.examples(split)
    return images.cpu().numpy(), labels.cpu().numpy()
