"""`reber`: the next symbol of strings of the embedded Reber grammar, and of it the one that needs memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dlbench import Batch, NextToken, Signature, TokenBatch, Tokens, UsageError
from dlbench.data.sequences import BucketedBatches, Index, Ragged

from . import grammar
from .sizes import check_at_least, check_sizes, judge_batch

SEED = 45
RAREST = 1e-3  # strings that are rarer can't be drawn in a moment

Strings = tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]


@dataclass(slots=True, kw_only=True)
class ReberBatch(Batch):
    """A batch with the symbols that may follow each place, (B, T) as bits, for the judge."""

    legal: Tensor


class ReberTask:
    """Strings and legal successors per split; `best`: what the grammar itself scores on each of them.

    Place t holds symbol t and predicts symbol t + 1. The columns of `rows` are symbol, target and legal successors."""

    def __init__(
        self, splits: Mapping[str, Strings], *, best: Mapping[str, float], length: int, device: str = "cpu"
    ) -> None:
        vocab = len(grammar.SYMBOLS)
        self.signature = Signature(input=Tokens(vocab=vocab, length=length - 1), output=NextToken(vocab=vocab))
        self.device, self.best = device, best
        self.rows = {
            name: Ragged(
                [np.stack([row[:-1], row[1:], legal], axis=1) for row, legal in zip(*strings, strict=True)],
                dtype=torch.uint8, device=device,
            )
            for name, strings in splits.items()
        }  # fmt: skip

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> BucketedBatches:
        rows = self.rows[split]
        return BucketedBatches(
            rows.lengths, batch_size, generator, lambda index: self._gather(rows, index), device=self.device
        )

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean cross-entropy over the strings' places, in nats."""
        assert batch.targets is not None
        assert batch.mask is not None
        losses = functional.cross_entropy(outputs.transpose(1, 2), batch.targets, reduction="none")
        return (losses * batch.mask).sum() / batch.mask.sum()

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`outer_accuracy`: in how many strings, of T and P, the one that opened is predicted as last but one;
        `legal`: at how many places the likeliest symbol may follow; `cross_entropy` in nats per place, and `excess`:
        how much less the grammar itself scores on the same strings."""
        rows = self.rows[split]
        outer, legal = torch.zeros((2,), dtype=torch.int64, device=self.device)
        nats, places = torch.zeros((), dtype=torch.float64, device=self.device), 0
        for batch in self.batches(split, judge_batch(int(rows.lengths.max())), None):
            assert isinstance(batch, ReberBatch)
            assert batch.targets is not None
            assert batch.mask is not None
            logits = learner.predict(batch).float()  # (B, T, 7)
            losses = functional.cross_entropy(logits.transpose(1, 2), batch.targets, reduction="none").double()
            nats += (losses * batch.mask).sum()
            legal += ((batch.legal >> logits.argmax(2) & 1).bool() & batch.mask).sum()
            every = torch.arange(len(logits), device=self.device)
            last_but_one = batch.inputs.lengths - 2  # of the places
            between = logits[every, last_but_one][:, [grammar.T, grammar.P]].argmax(1)
            outer += (between == (batch.targets[every, last_but_one] == grammar.P).long()).sum()
            places += batch.size
        cross_entropy = nats.item() / places
        return {
            "outer_accuracy": outer.item() / len(rows),
            "legal": legal.item() / places,
            "cross_entropy": cross_entropy,
            "excess": cross_entropy - self.best[split],
        }

    def _gather(self, rows: Ragged, index: Index) -> ReberBatch:
        values, lengths = rows.padded(index)  # (B, T, 3), (B,)
        ids, targets, legal = values.long().unbind(dim=2)
        mask = torch.arange(ids.shape[1], device=self.device) < lengths[:, None]
        size = sum(rows.sizes(index))
        return ReberBatch(inputs=TokenBatch(ids, lengths), targets=targets, mask=mask, size=size, legal=legal)


def make_task(
    *, length: int, min_length: int, num_train: int, num_val: int, num_test: int, device: str = "cpu"
) -> ReberTask:
    """Raises UsageError where no string, or hardly any, has so many symbols."""
    check_at_least(grammar.SHORTEST, length=length)
    check_at_least(1, min_length=min_length)
    sizes = check_sizes(multiple=2, num_train=num_train, num_val=num_val, num_test=num_test)
    if (kept := grammar.share(min_length, length)) < RAREST:
        raise UsageError(f"only {kept:.1e} of all strings have between {min_length} and {length} symbols")
    splits = {
        split: grammar.strings(count, min_length, length, np.random.RandomState([SEED, min_length, length, index]))
        for index, (split, count) in enumerate(sizes.items())
    }
    best = {split: grammar.cross_entropy(legal, min_length, length) for split, (_, legal) in splits.items()}
    return ReberTask(splits, best=best, length=length, device=device)
