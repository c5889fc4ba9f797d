"""Train on images as they are, and be judged on the same moved, rotated, scaled or with noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlbench import UsageError
from dlbench.data import Data

from ..images import ImageClassification
from . import BASES, COLUMNS
from .disturb import Canvas, Disturbance, canvas_of, disturb

SEEDS = {"train": 1, "val": 2, "test": 3}
NUM_VAL = 1000  # at most: training looks at them after each epoch, twice


class Shifted(ImageClassification):
    """The images of `base`, of which training takes the first `images` and validation the first thousand; validation
    and test are disturbed as `asked`, and with `train` the training images are, too. Each image is disturbed once, so
    that all models see the same.

    Beside `accuracy` and `cross_entropy` on the disturbed images, `judge` gives the accuracy on images as they are
    (`clean`) and, on the test split, under each disturbance of `COLUMNS`.
    """

    def __init__(self, base: ImageClassification, *, asked: Disturbance, images: int, train: bool) -> None:
        clean = {split: base.examples(split) for split in SEEDS}
        for split, count in {"train": images, "val": NUM_VAL}.items():
            pixels, labels = clean[split]
            clean[split] = pixels[:count], labels[:count]
        self._canvas = canvas_of(clean["train"][0])
        arrays = {split: (_disturbed(part, asked, self._canvas, split) if split != "train" or train else part)
                  for split, part in clean.items()}  # fmt: skip
        super().__init__(
            {split: (found.cpu().numpy(), labels.cpu().numpy()) for split, (found, labels) in arrays.items()},
            num_classes=base.signature.output.num_classes,  # type: ignore[attr-defined]
            device=base.device,
        )
        self._asked, self._clean = asked, clean

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        found = super().judge(learner, split)
        found["clean"] = self._accuracy(learner, split, Disturbance())
        if split == "test":
            for name, how in COLUMNS.items():
                same = Disturbance(**how) == self._asked
                found[name] = found["accuracy"] if same else self._accuracy(learner, split, Disturbance(**how))
        return found

    def _accuracy(self, learner: Any, split: str, how: Disturbance) -> float:
        self._splits["disturbed"] = _disturbed(self._clean[split], how, self._canvas, split)
        try:
            return super().judge(learner, "disturbed")["accuracy"]
        finally:
            del self._splits["disturbed"]


def load(data: Data, *, task: str, images: int, train: bool, asked: Disturbance) -> Shifted:
    """Raises UsageError for options that can't be."""
    base = BASES[task](data)
    check(asked, images, min(base.examples("test")[0].shape[2:]))
    return Shifted(base, asked=asked, images=images, train=train)


def check(asked: Disturbance, images: int, side: int) -> None:
    """Raise UsageError for a disturbance that leaves nothing of an image whose shorter side is `side`."""
    if images < 1:
        raise UsageError(f"shifted needs at least 1 image to train on, not {images}")
    if not 0 <= asked.pixels < side:
        raise UsageError(f"an image of side {side} can be moved by 0 to {side - 1} pixels, not {asked.pixels}")
    if not 0 <= asked.degrees <= 180 or asked.scale < 0 or asked.noise < 0:
        raise UsageError(
            f"degrees are 0 to 180, scale and noise 0 or more, not {asked.degrees}, {asked.scale} and {asked.noise}"
        )


def _disturbed(part: tuple[Tensor, Tensor], how: Disturbance, canvas: Canvas, split: str) -> tuple[Tensor, Tensor]:
    images, labels = part
    with torch.no_grad():
        return disturb(images, how, canvas, SEEDS[split]), labels
