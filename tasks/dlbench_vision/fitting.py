"""How well a network fits the images that it is trained on: what very deep plain networks fail at, which is no
overfitting (He, Zhang, Ren and Sun 2016, Deep Residual Learning for Image Recognition, section 4.2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlbench import Batch
from dlbench.data import Data
from dlbench.data.batches import GatheredBatches

from .digits import load as load_digits
from .images import ImageClassification


class Fitting:
    """A task of image classification that is also judged by `train_error`: the share of the training images that are
    classed wrongly, in evaluation mode."""

    def __init__(self, task: ImageClassification) -> None:
        self._task = task
        self.signature = task.signature

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        return self._task.batches(split, batch_size, generator)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return self._task.loss(outputs, batch)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`train_error`, whatever the split, beside what the task itself gives of the split."""
        found = self._task.judge(learner, split)
        return {"train_error": 1 - self._task.judge(learner, "train")["accuracy"], **found}


def load(data: Data) -> Fitting:
    """The digits of `digits`, in its splits."""
    return Fitting(load_digits(data))
