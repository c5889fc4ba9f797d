"""`copy`: ten symbols, to be written down again after a long pause.

Arjovsky, Shah, Bengio 2016, "Unitary Evolution Recurrent Neural Networks", after Hochreiter and Schmidhuber 1997; laid
out as by Bai, Kolter, Koltun 2018: 10 symbols from 1..8, T - 1 blanks (0), 11 markers (9); the answer is T + 10 blanks
and the 10 symbols. Who knows when to write but remembers nothing scores 10 ln 8 / (T + 20) nats per place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dlbench import Batch, Signature, TokenBatch, Tokens, TokenTags
from dlbench.data.batches import GatheredBatches

from .sizes import check_at_least, check_sizes, judge_batch

SEED = 42
WRITTEN = 10
SYMBOLS = 8
MARKER = SYMBOLS + 1


def memoryless(length: int) -> float:
    """Nats per place of a model that writes blanks where they belong and guesses the symbols."""
    return WRITTEN * math.log(SYMBOLS) / (length + 2 * WRITTEN)


class CopyTask:
    """Per split the symbols (N, 10); `length` is the pause. Batches are laid out as they are gathered."""

    def __init__(self, symbols: Mapping[str, NDArray[np.uint8]], *, length: int, device: str = "cpu") -> None:
        self.pause, self.places = length, length + 2 * WRITTEN
        self.signature = Signature(
            input=Tokens(vocab=MARKER + 1, length=self.places), output=TokenTags(num_classes=SYMBOLS + 1)
        )
        self.device = device
        self.symbols = {name: torch.from_numpy(found).to(device) for name, found in symbols.items()}

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        symbols = self.symbols[split]

        def gather(index: Tensor) -> Batch:
            found = symbols[index].long()  # (B, 10)
            ids = found.new_zeros(len(found), self.places)
            targets = ids.clone()
            ids[:, :WRITTEN], ids[:, -WRITTEN - 1 :], targets[:, -WRITTEN:] = found, MARKER, found
            return Batch(inputs=TokenBatch(ids), targets=targets, size=ids.numel())

        return GatheredBatches(len(symbols), batch_size, generator, gather, self.device)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean cross-entropy over all places, in nats."""
        assert batch.targets is not None
        return functional.cross_entropy(outputs.flatten(0, 1), batch.targets.flatten())

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`cross_entropy` per place in nats, `baseline_share`: of what a model without memory scores, and `accuracy`
        over the last ten places."""
        nats = torch.zeros((), dtype=torch.float64, device=self.device)
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        for batch in self.batches(split, judge_batch(self.places), None):
            assert batch.targets is not None
            logits = learner.predict(batch).float()  # (B, T, num_classes)
            nats += functional.cross_entropy(logits.transpose(1, 2), batch.targets, reduction="none").double().sum()
            correct += (logits[:, -WRITTEN:].argmax(2) == batch.targets[:, -WRITTEN:]).sum()
        count = len(self.symbols[split])
        cross_entropy = nats.item() / (count * self.places)
        return {
            "cross_entropy": cross_entropy,
            "baseline_share": cross_entropy / memoryless(self.pause),
            "accuracy": correct.item() / (count * WRITTEN),
        }


def make_task(*, length: int, num_train: int, num_val: int, num_test: int, device: str = "cpu") -> CopyTask:
    """Raises UsageError for a pause below 1."""
    check_at_least(1, length=length)
    sizes = check_sizes(num_train=num_train, num_val=num_val, num_test=num_test)
    symbols = {
        split: np.random.RandomState([SEED, index]).randint(1, SYMBOLS + 1, (count, WRITTEN)).astype(np.uint8)
        for index, (split, count) in enumerate(sizes.items())
    }
    return CopyTask(symbols, length=length, device=device)
