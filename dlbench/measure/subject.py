"""What a profile measures, and the numbers that can be read off it without a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from ..data.batches import whole_pass
from ..kinds import Sample, Signature, batch_size_of
from ..learner import Batch, Batches, Learner, Task
from ..optimizers import Optimizers


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model on a task, ready to be measured.

    `build()` returns a fresh learner on `device` with its optimizers; the memory pass calls it again.
    `train_step(learner, optimizers, batch)` is the whole training step, its own precision included. `predict(learner,
    batch)` is one evaluation (where the output kind is `Sample`: samples are drawn and returned); it runs in evaluation
    mode, without gradients, inside `autocast()`.
    """

    build: Callable[[], tuple[Learner, Optimizers]]
    task: Task
    signature: Signature
    batch_size: int
    train_step: Callable[[Learner, Optimizers, Batch], object]
    predict: Callable[[Learner, Batch], object]
    device: str = "cpu"
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext

    def first_batch(self, split: str = "train", batch_size: int | None = None) -> Batch:
        """The first batch of a split; training's is the resident one. Drawn from a fixed seed."""
        return next(whole_pass(self._pass(split, batch_size or self.batch_size), split))

    def endless(self) -> Iterator[Batch]:
        """Training batches, pass after pass."""
        generator = torch.Generator().manual_seed(0)
        while True:
            yield from whole_pass(self.task.batches("train", self.batch_size, generator))

    def evaluate(self, learner: Learner, batch: Batch) -> object:
        """One evaluation of a learner that is in evaluation mode."""
        with torch.no_grad(), self.autocast():
            return self.predict(learner, batch)

    def evaluated_units(self, learner: Learner, batch: Batch) -> int:
        """How many units one evaluation yields: the batch's, or the samples that were drawn."""
        output = self.evaluate(learner, batch)
        return batch_size_of(output) if isinstance(self.signature.output, Sample) else batch.size

    def _pass(self, split: str, batch_size: int) -> Batches:
        generator = torch.Generator().manual_seed(0) if split == "train" else None
        return self.task.batches(split, batch_size, generator)


def num_parameters(learner: Learner) -> int:
    """Shared ones count once."""
    return sum(parameter.numel() for parameter in learner.parameters())


def model_bytes(learner: Learner) -> int:
    """Of parameters and buffers."""
    tensors = [*learner.parameters(), *learner.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
