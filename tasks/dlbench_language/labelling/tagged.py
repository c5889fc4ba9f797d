"""Tags of words, which the tasks of this room share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, Signature, TokenBatch, Tokens, TokenTags
from dlbench.data.sequences import POOL, BucketedBatches, Index, Ragged

from ..vocabulary import Vocabulary, check_rate, drop_rare
from .spelling import Spellings

JUDGED_AT_ONCE = 128
WORD, TAG = 0, 2  # columns of a split's rows; between them is the spelling

Score = Callable[[list[list[str]], list[list[str]]], dict[str, float]]


@dataclass
class Tagged:
    """Sentences as lists of words, and the tag of each word."""

    sentences: list[list[str]]
    tags: list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """What is made of words. `normal`: a word's normal form, which is what its number stands for; its spelling keeps
    the word as it is, where `characters` are given. `word_dropout`: the probability that in a training batch a word
    which training shows once becomes the unknown word. `bucket`: sentences of about the same length come together;
    else they are drawn plainly and filled up to the longest of the split."""

    normal: Callable[[str], str]
    characters: bool
    word_dropout: float
    bucket: bool


class TaggedSentences:
    """`splits`: train, val and test. Words and tags are those of the training split. A tag that it lacks counts as
    wrong, whatever a model says, and stays out of the loss.

    `score(gold, answers)`, where there is one, gives further metrics of the tags of all sentences.
    """

    def __init__(
        self, splits: Mapping[str, Tagged], treatment: Treatment, *, score: Score | None = None, device: str = "cpu"
    ) -> None:
        check_rate(treatment.word_dropout)
        self.treatment, self.score, self.device = treatment, score, device
        normal = {split: [[*map(treatment.normal, s)] for s in found.sentences] for split, found in splits.items()}
        self.vocabulary = Vocabulary(normal["train"])
        self.spellings = None
        if treatment.characters:
            words = {split: [word for s in found.sentences for word in s] for split, found in splits.items()}
            self.spellings = Spellings(words["train"], words["val"] + words["test"], device=device)
        known = sorted({tag for tags in splits["train"].tags for tag in tags})
        unseen = {tag for found in splits.values() for tags in found.tags for tag in tags} - set(known)
        self.tags, self.num_classes = [*known, *sorted(unseen)], len(known)
        self.rows = {split: self._rows(normal[split], found) for split, found in splits.items()}
        self.widths = {split: self._widths(found) for split, found in splits.items()}
        self.signature = Signature(
            input=Tokens(
                vocab=len(self.vocabulary),
                length=max(int(rows.lengths.max()) for rows in self.rows.values()),
                characters=self.spellings.characters if self.spellings else 0,
            ),
            output=TokenTags(num_classes=self.num_classes),
        )

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> BucketedBatches:
        """`batch_size` counts sentences."""
        rows = self.rows[split]
        if split == "train" and generator is not None and self.treatment.word_dropout:
            rows = self._with_unknown_words(rows, generator)

        def gather(index: Index) -> Batch:
            return self._batch(rows, self.widths[split], index)

        pool = POOL if self.treatment.bucket else 1
        return BucketedBatches(rows.lengths, batch_size, generator, gather, device=self.device, pool=pool)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return _total(outputs, batch) / batch.mask.sum().clamp(min=1)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`accuracy` over words, `loss` in nats over words whose tag training shows, and what `score` gives."""
        rows = self.rows[split]
        batches = self.batches(split, JUDGED_AT_ONCE, None)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        counted = torch.zeros((), dtype=torch.int64, device=self.device)
        order, answers = batches.indices(), []
        for index in order:
            batch = batches.gather(index)
            logits = learner.predict(batch)  # (B, T, C)
            total += _total(logits, batch).double()
            counted += batch.mask.sum()
            answers.append(logits.argmax(dim=2)[within(batch.inputs)])
        chosen = torch.cat([index.host for index in order])
        answered = torch.cat(answers).cpu()
        gold = rows.values[:, TAG].cpu().split(rows.lengths.tolist())
        truth = torch.cat([gold[i] for i in chosen.tolist()])
        metrics = {"accuracy": (answered == truth).double().mean().item(), "loss": total.item() / int(counted)}
        if self.score:
            lengths = rows.lengths[chosen].tolist()
            metrics |= self.score(self._names(truth, lengths), self._names(answered, lengths))
        return metrics

    def _names(self, tags: Tensor, lengths: list[int]) -> list[list[str]]:
        return [[self.tags[tag] for tag in sentence.tolist()] for sentence in tags.split(lengths)]

    def _rows(self, normal: list[list[str]], found: Tagged) -> Ragged:
        """Number, spelling and tag of each word: (N, 3). The spelling is 0 where there are no characters."""
        numbers = {tag: number for number, tag in enumerate(self.tags)}
        rows = []
        for forms, words, tags in zip(normal, found.sentences, found.tags, strict=True):
            spelled = self.spellings.encode(words) if self.spellings else [0] * len(words)
            rows.append(np.array([self.vocabulary.encode(forms), spelled, [numbers[tag] for tag in tags]]).T)
        return Ragged(rows, device=self.device)

    def _widths(self, found: Tagged) -> Tensor:
        """How many characters the longest word of each sentence has, (R,), on the CPU."""
        if not self.spellings:
            return torch.zeros(len(found.sentences), dtype=torch.int64)
        return torch.tensor([self.spellings.width_of(words) for words in found.sentences])

    def _batch(self, rows: Ragged, widths: Tensor, index: Index) -> Batch:
        if not self.treatment.bucket:
            found, lengths = rows.padded(index, to=int(rows.lengths.max()))
        else:
            found, lengths = rows.padded(index)  # (B, T, 3), (B,)
            widths = widths[index.host]
        words, spelled, tags = found.unbind(dim=2)
        characters = self.spellings.table[spelled, : int(widths.max())] if self.spellings else None  # (B, T, W)
        inputs = TokenBatch(words.contiguous(), lengths, characters)
        mask = within(inputs) & (tags < self.num_classes)
        return Batch(inputs=inputs, targets=tags.masked_fill(~mask, 0), mask=mask, size=sum(rows.sizes(index)))

    def _with_unknown_words(self, rows: Ragged, generator: torch.Generator) -> Ragged:
        """Drawn once per pass, so that no step has to wait for it."""
        changed = copy.copy(rows)
        changed.values = rows.values.clone()
        changed.values[:, WORD] = drop_rare(
            rows.values[:, WORD],
            first_rare=self.vocabulary.first_rare,
            rate=self.treatment.word_dropout,
            generator=generator,
        )
        return changed


def within(inputs: TokenBatch) -> Tensor:
    """Which places hold words, (B, T)."""
    assert inputs.lengths is not None
    return torch.arange(inputs.ids.shape[1], device=inputs.ids.device) < inputs.lengths[:, None]


def _total(outputs: Tensor, batch: Batch) -> Tensor:
    """The sum of the losses of all places that count, in nats."""
    losses = F.cross_entropy(outputs.float().transpose(1, 2), batch.targets, reduction="none")  # (B, T)
    return (losses * batch.mask).sum()
