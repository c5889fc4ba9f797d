"""What a profile measures, and the numbers that can be read off it without a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor

from ..contract.kinds import Signature
from ..contract.learner import Batch, Batches, Learner, Task, map_tensors
from ..contract.optimizers import PartOptimizers
from ..contract.values import batch_size_of
from ..data.batches import whole_pass
from ..train.team import Team


class Resident:
    """One batch for step after step, whose inputs are as new to each as those of a batch of training are.

    Layers may keep what they make of their inputs' tensors for as long as batches hold the very same ones, as those of
    one full graph do. So a tensor that the batch which `follows` holds too is handed out as it is, and any other as
    another object on the same memory, without a copy.
    """

    def __init__(self, batch: Batch, follows: Batch) -> None:
        self.batch = batch
        self._new = {id(tensor) for tensor in _tensors(batch)} - {id(tensor) for tensor in _tensors(follows)}

    def __call__(self) -> Batch:
        """The batch for one more step."""
        batch = self.batch
        inputs = map_tensors(batch.inputs, self._renewed)
        return Batch(inputs, batch.targets, batch.mask, batch.size, batch.continues, batch.index)

    def _renewed(self, tensor: Tensor) -> Tensor:
        return tensor.detach() if id(tensor) in self._new else tensor


def _tensors(batch: Batch) -> list[Tensor]:
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    map_tensors(batch.inputs, note)
    return found


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model on a task, ready to be measured.

    `build()` returns a fresh learner on `device` with its optimizers; the memory pass calls it again.
    `train_step(learner, optimizers, batch)` is the whole training step, its own precision included. `predict(learner,
    batch)` is one evaluation (where the output kind's first verb is `sample`: samples are drawn and returned); it runs
    in evaluation mode, without gradients, inside `autocast()`. `team`: with whom each training step is taken; of a step
    on several devices `seen(learner)` is how many units of the batch this one saw. `first_steps`: as many as it takes
    until all memory is in use.
    """

    build: Callable[[], tuple[Learner, PartOptimizers]]
    task: Task
    signature: Signature
    batch_size: int
    train_step: Callable[[Learner, PartOptimizers, Batch], object]
    predict: Callable[[Learner, Batch], object]
    device: str = "cpu"
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
    team: Team = field(default_factory=Team)
    seen: Callable[[Learner], int] = lambda learner: 0
    first_steps: int = 3

    def first_batch(self, split: str = "train", batch_size: int | None = None) -> Batch:
        """The first batch of a split. Drawn from a fixed seed."""
        return next(whole_pass(self._pass(split, batch_size or self.batch_size), split))

    def resident(self, split: str = "train", batch_size: int | None = None) -> Resident:
        """The first batch of a split, to be used again and again."""
        size = batch_size or self.batch_size
        passes = (whole_pass(self._pass(split, size), split) for _ in range(2))  # one may hold a single batch
        first, second = islice(chain.from_iterable(passes), 2)
        return Resident(first, second)

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
        return batch_size_of(output) if self.signature.output.verbs[0] == "sample" else batch.size

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
