"""Classes of whole sentences, which the four tasks of this room share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, Classes, Signature, TokenBatch, Tokens
from dlbench.data.sequences import BucketedBatches, Index, Ragged

from ..vocabulary import Vocabulary, check_rate, drop_rare

JUDGED_AT_ONCE = 256


@dataclass
class Labelled:
    """Sentences as lists of words, and the class of each."""

    sentences: list[list[str]]
    labels: list[int]

    def take(self, index: Any) -> Labelled:
        """Those at these places."""
        return Labelled([self.sentences[i] for i in index], [self.labels[i] for i in index])


class SentenceClasses:
    """`splits`: train, val and test. The vocabulary is that of the training split alone. In training batches words that
    it saw once become the unknown word with probability `word_dropout`.

    `folds(index)` gives the task on one fold, where there are folds; the task itself is then on the first.
    """

    def __init__(
        self,
        splits: Mapping[str, Labelled],
        *,
        num_classes: int,
        min_count: int = 1,
        word_dropout: float = 0.5,
        device: str = "cpu",
        folds: Callable[[int], SentenceClasses] | None = None,
    ) -> None:
        check_rate(word_dropout)
        self.vocabulary = Vocabulary(splits["train"].sentences, min_count=min_count)
        self.word_dropout, self._folds = word_dropout, folds
        self.rows = {
            split: Ragged([self.vocabulary.encode(words) for words in found.sentences], device=device)
            for split, found in splits.items()
        }
        self.labels = {split: torch.tensor(found.labels, device=device) for split, found in splits.items()}  # (R,)
        longest = max(int(rows.lengths.max()) for rows in self.rows.values())
        self.signature = Signature(
            input=Tokens(vocab=len(self.vocabulary), length=longest), output=Classes(num_classes=num_classes)
        )

    def fold(self, index: int) -> SentenceClasses:
        """The task on one fold."""
        assert self._folds is not None
        return self._folds(index)

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> BucketedBatches:
        """`batch_size` counts sentences."""
        rows, labels = self.rows[split], self.labels[split]
        if split == "train" and generator is not None and self.word_dropout:
            rows = self._with_unknown_words(rows, generator)

        def gather(index: Index) -> Batch:
            ids, lengths = rows.padded(index)  # (B, T), (B,)
            return Batch(inputs=TokenBatch(ids, lengths), targets=labels[index.there], size=len(index))

        return BucketedBatches(rows.lengths, batch_size, generator, gather, device=labels.device)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        assert batch.targets is not None
        return F.cross_entropy(outputs.float(), batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`accuracy`, and the mean `cross_entropy` in nats."""
        device = self.labels[split].device
        right = torch.zeros((), dtype=torch.int64, device=device)
        total = torch.zeros((), dtype=torch.float64, device=device)
        for batch in self.batches(split, JUDGED_AT_ONCE, None):
            logits = learner.predict(batch).float()  # (B, C)
            right += (logits.argmax(dim=1) == batch.targets).sum()
            total += F.cross_entropy(logits, batch.targets, reduction="sum").double()
        count = len(self.labels[split])
        return {"accuracy": right.item() / count, "cross_entropy": total.item() / count}

    def _with_unknown_words(self, rows: Ragged, generator: torch.Generator) -> Ragged:
        """Drawn once per pass, so that no step has to wait for it."""
        changed = copy.copy(rows)
        changed.values = drop_rare(
            rows.values, first_rare=self.vocabulary.first_rare, rate=self.word_dropout, generator=generator
        )
        return changed
