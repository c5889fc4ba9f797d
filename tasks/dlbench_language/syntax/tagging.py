"""Tags of words that hang together in a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, Signature, WordTags
from dlbench.data.batches import HIDDEN
from dlbench.data.sequences import BucketedBatches, Index

from ..labelling.tagged import Treatment
from .sentences import TAG, Sentence, Sentences, Split
from .spans import span_f1

JUDGED_AT_ONCE = 128


class SpanTags:
    """`splits`: train, val and test. Tags are those of the training split; one that it lacks counts as wrong, whatever
    a model says, and stays out of the loss. Words of which no tag is asked count nowhere."""

    def __init__(
        self, splits: Mapping[str, Sequence[Sentence]], treatment: Treatment, *, marks: int = 0, device: str = "cpu"
    ) -> None:
        known = sorted({tag for s in splits["train"] for tag in s.tags if tag is not None})
        every = {tag for split in splits.values() for s in split for tag in s.tags if tag is not None}
        self.tags, self.num_classes = [*known, *sorted(every - set(known))], len(known)
        numbers = {tag: number for number, tag in enumerate(self.tags)}
        self.sentences = Sentences(splits, treatment, marks=marks, tags=numbers, device=device)
        self.signature = Signature(
            input=self.sentences.kind, output=WordTags(num_classes=self.num_classes, tags=tuple(known))
        )

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> BucketedBatches:
        """`batch_size` counts sentences."""
        return self.sentences.batches(split, batch_size, generator, self._batch)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return _total(outputs, batch) / batch.mask.sum().clamp(min=1)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`f1`, `precision` and `recall` over spans, `accuracy` over words, `loss` in nats over words whose tag
        training shows."""
        found = self.sentences.splits[split]
        batches = self.batches(split, JUDGED_AT_ONCE, None)
        device = found.words.device
        total = torch.zeros((), dtype=torch.float64, device=device)
        counted = torch.zeros((), dtype=torch.int64, device=device)
        order, answers = batches.indices(), []
        for index in order:
            batch = batches.gather(index)
            logits = learner.predict(batch)
            total += _total(logits, batch).double()
            counted += batch.mask.sum()
            answers.append(rows_of(logits, batch.inputs).argmax(dim=1))
        chosen = torch.cat([index.host for index in order])
        sizes = found.lengths[chosen].tolist()
        said = torch.cat(answers).cpu().split(sizes)
        parts = found.words[:, TAG].cpu().split(found.lengths.tolist())
        true = [parts[i] for i in chosen.tolist()]
        asked = [tags >= 0 for tags in true]
        gold = [self._names(tags[at]) for tags, at in zip(true, asked, strict=True)]
        named = [self._names(tags[at]) for tags, at in zip(said, asked, strict=True)]
        pairs = [a == b for one, other in zip(gold, named, strict=True) for a, b in zip(one, other, strict=True)]
        return {
            **span_f1(gold, named),
            "accuracy": sum(pairs) / len(pairs),
            "loss": total.item() / max(int(counted), 1),
        }

    def _names(self, tags: Tensor) -> list[str]:
        return [self.tags[tag] for tag in tags.tolist()]

    def _batch(self, index: Index, split: Split) -> Batch:
        inputs, tags = self.sentences.batch(split, index)
        mask = (tags >= 0) & (tags < self.num_classes)
        return Batch(
            inputs=inputs, targets=tags.masked_fill(~mask, HIDDEN), mask=mask, size=int(split.lengths[index.host].sum())
        )


def rows_of(outputs: Tensor, inputs: Any) -> Tensor:
    """Logits of either form of `WordTags` -> a row for each word (N, C)."""
    return inputs.rows_of(outputs) if outputs.dim() == 3 else outputs


def _total(outputs: Tensor, batch: Batch) -> Tensor:
    """The sum of the losses of all words that count, in nats."""
    rows = rows_of(outputs, batch.inputs).float()
    return F.cross_entropy(rows, batch.inputs.rows_of(batch.targets), ignore_index=HIDDEN, reduction="sum")
