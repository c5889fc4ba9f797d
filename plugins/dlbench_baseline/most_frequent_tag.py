"""The most frequent tag of each word: the usual floor of tagging.

Charniak, Hendrickson, Jacobson and Perkowitz 1993, "Equations for Part-of-Speech Tagging", show how far it goes:
about 90 % of English words. Words that training lacks are judged by those that it shows once, as these are the nearest
to them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlbench import Batch, Learner, Optimizers, TokenBatch


class MostFrequentTag(Learner):
    """Answers each word's most frequent tag in training. A word that training lacks gets the most frequent tag of the
    words seen once whose spelling starts with the same character, where there are characters and such words; else the
    most frequent tag of all words seen once.

    Training counts; there is no gradient step and there are no parameters. `unknown` is the number of the unknown word:
    where a training batch shows it in the place of a word seen once, it counts as one. `characters`: how many different
    ones there are, or 0. The loss is the share of wrong answers among a batch's known words, after counting.
    """

    def __init__(self, *, vocab: int, num_classes: int, characters: int = 0, unknown: int = 1) -> None:
        super().__init__()
        self.unknown = unknown
        self.register_buffer("counts", torch.zeros(vocab, num_classes, dtype=torch.int64))
        self.register_buffer("hidden", torch.zeros(max(characters, 1), num_classes, dtype=torch.int64))
        self.register_buffer("first", torch.zeros(vocab, dtype=torch.int64))

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        with torch.no_grad():
            inputs, targets = batch.inputs, batch.targets
            counted = places(inputs) if batch.mask is None else batch.mask
            ids, first, tags = inputs.ids[counted], initials(inputs)[counted], targets[counted]
            known = ids != self.unknown
            _add(self.counts, ids[known], tags[known])
            _add(self.hidden, first[~known], tags[~known])
            self.first[ids] = first  # only words seen once are looked up there, and these have one spelling
            wrong = self.counts[ids[known]].argmax(dim=1) != tags[known]
            return wrong.float().sum() / max(len(wrong), 1)

    def predict(self, inputs: TokenBatch) -> Tensor:
        """Logits (B, T, num_classes): 1 for the answer, 0 for the rest."""
        of_words, of_initials = self.answers()
        known = (self.counts.sum(dim=1) > 0)[inputs.ids]
        answers = torch.where(known, of_words[inputs.ids], of_initials[initials(inputs)])
        return torch.nn.functional.one_hot(answers, self.counts.shape[1]).float()

    def answers(self) -> tuple[Tensor, Tensor]:
        """The tag of each word (vocab,) and, for words that training lacks, of each first character (characters,)."""
        once = self.counts.sum(dim=1) == 1
        rare = self.hidden.index_add(0, self.first[once], self.counts[once])
        by_initial = torch.where(rare.any(dim=1), rare.argmax(dim=1), rare.sum(dim=0).argmax())
        return self.counts.argmax(dim=1), by_initial


def initials(inputs: TokenBatch) -> Tensor:
    """Each word's first character (B, T), 0 where there are none."""
    return torch.zeros_like(inputs.ids) if inputs.characters is None else inputs.characters[:, :, 0]


def places(inputs: TokenBatch) -> Tensor:
    """Which places hold words, (B, T)."""
    if inputs.lengths is None:
        return torch.ones_like(inputs.ids, dtype=torch.bool)
    return torch.arange(inputs.ids.shape[1], device=inputs.ids.device) < inputs.lengths[:, None]


def _add(counts: Tensor, rows: Tensor, tags: Tensor) -> None:
    """Count pairs into a table (R, num_classes)."""
    counts += torch.bincount(rows * counts.shape[1] + tags, minlength=counts.numel()).view_as(counts)
