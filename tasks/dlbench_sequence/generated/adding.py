"""`adding`: the sum of the two numbers that are marked.

Hochreiter and Schmidhuber 1997, "Long Short-Term Memory", experiment 4; in the form of Bai, Kolter, Koltun 2018, "An
Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence Modeling": numbers from [0, 1), one
mark in each half, no special marks at the ends, and the sum itself as target.

Sequences come in fours: each half as it was drawn, or with every number x of it as 1 - x. The two marked numbers are
spread evenly over [0, 1). So the sums of a split average to 1, and their variance is 1/6 up to about 1e-5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dlbench import Batch, Series, SeriesBatch, Signature, Value
from dlbench.data.batches import GatheredBatches

from .sizes import check_at_least, check_sizes, judge_batch

SEED = 41
MIRRORED = 4  # sequences that come of one draw


class AddingTask:
    """Per split the numbers (N, length) and the places of the marks (N, 2)."""

    def __init__(
        self, splits: Mapping[str, tuple[NDArray[np.float32], NDArray[np.int64]]], *, device: str = "cpu"
    ) -> None:
        self.length = splits["train"][0].shape[1]
        self.signature = Signature(input=Series(features=2, length=self.length), output=Value())
        self.device = device
        self.splits = {
            name: (torch.from_numpy(numbers).to(device), torch.from_numpy(marks).to(device))
            for name, (numbers, marks) in splits.items()
        }

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        numbers, marks = self.splits[split]

        def gather(index: Tensor) -> Batch:
            found, places = numbers[index], marks[index]  # (B, T), (B, 2)
            marked = torch.zeros_like(found).scatter_(1, places, 1.0)
            inputs = SeriesBatch(torch.stack([found, marked], dim=2))  # (B, T, 2)
            return Batch(inputs=inputs, targets=found.gather(1, places).sum(dim=1), size=len(index))

        return GatheredBatches(len(numbers), batch_size, generator, gather, self.device)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean squared error."""
        assert batch.targets is not None
        return functional.mse_loss(outputs, batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`mse` over all sequences of the split."""
        total, count = torch.zeros((), dtype=torch.float64, device=self.device), 0
        for batch in self.batches(split, judge_batch(self.length), None):
            assert batch.targets is not None
            total += (learner.predict(batch).double() - batch.targets.double()).square().sum()
            count += batch.size
        return {"mse": total.item() / count}


def draw(count: int, length: int, random: np.random.RandomState) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Numbers (count, length) and the places of the marks (count, 2). `count` is a multiple of four."""
    base, half = count // MIRRORED, length // 2
    numbers = random.random_sample((base, length))
    marks = np.stack([random.randint(0, half, base), random.randint(half, length, base)], axis=1)
    for places in marks.T:
        numbers[np.arange(base), places] = (random.permutation(base) + random.random_sample(base)) / base
    first, second = numbers[:, :half], numbers[:, half:]
    fours = [np.hstack([a, b]) for a in (first, 1 - first) for b in (second, 1 - second)]
    return np.concatenate(fours).astype(np.float32), np.tile(marks, (MIRRORED, 1))


def make_task(*, length: int, num_train: int, num_val: int, num_test: int, device: str = "cpu") -> AddingTask:
    """Raises UsageError for a length below 2 or splits that don't divide into fours."""
    check_at_least(2, length=length)
    sizes = check_sizes(multiple=MIRRORED, num_train=num_train, num_val=num_val, num_test=num_test)
    splits = {
        split: draw(count, length, np.random.RandomState([SEED, length, index]))
        for index, (split, count) in enumerate(sizes.items())
    }
    return AddingTask(splits, device=device)
