"""Naive Bayes on the presence of words: it counts, for each class, the sentences that hold each word.

McCallum and Nigam 1998, "A Comparison of Event Models for Naive Bayes Text Classification". As in Pang, Lee and
Vaithyanathan 2002, "Thumbs up? Sentiment Classification using Machine Learning Techniques", a word counts once per
sentence however often it stands there, and only the words that a sentence holds speak for a class: those that it lacks
don't, which is where the multinomial model differs from the Bernoulli model.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlbench import Batch, Learner, Optimizers, TokenBatch


class NaiveBayes(Learner):
    """Training counts; there is no gradient step and there are no parameters. `smoothing` is added to each count of a
    word in a class (1: Laplace's rule). Padding and tokens that training never showed say nothing. The loss is the
    cross-entropy in nats, after counting.
    """

    def __init__(self, *, vocab: int, num_classes: int, smoothing: float = 1.0) -> None:
        super().__init__()
        if not smoothing > 0:
            raise ValueError(f"smoothing must be above 0, not {smoothing}")
        self.smoothing = smoothing
        self.register_buffer("words", torch.zeros(vocab, num_classes, dtype=torch.int64))
        self.register_buffer("sentences", torch.zeros(num_classes, dtype=torch.int64))

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        with torch.no_grad():
            num_classes = len(self.sentences)
            rows, words = present(batch.inputs, len(self.words))
            places = words * num_classes + batch.targets[rows]
            self.words += torch.bincount(places, minlength=self.words.numel()).view_as(self.words)
            self.sentences += torch.bincount(batch.targets, minlength=num_classes)
            return torch.nn.functional.cross_entropy(self.predict(batch.inputs), batch.targets)

    def predict(self, inputs: TokenBatch) -> Tensor:
        """The logarithms of class and words together, which are logits: (B, num_classes)."""
        rows, words = present(inputs, len(self.words))
        prior, evidence = self.logarithms()
        return prior.repeat(inputs.batch_size, 1).index_add(0, rows, evidence[words]).float()

    def logarithms(self) -> tuple[Tensor, Tensor]:
        """Of each class's share (num_classes,), and of each word's share in a class (vocab, num_classes); float64."""
        counts = self.words.double()
        seen = counts.sum(dim=1) > 0
        total = counts.sum(dim=0) + self.smoothing * seen.sum().clamp(min=1)
        shares = (counts + self.smoothing) / total
        evidence = shares.log() * seen[:, None]
        prior = self.sentences.double() + self.smoothing
        return (prior / prior.sum()).log(), evidence


def present(inputs: TokenBatch, vocab: int) -> tuple[Tensor, Tensor]:
    """Each word of each sentence once: the sentence's row and the word's id, both (N,)."""
    ids = inputs.ids
    keys = torch.arange(len(ids), device=ids.device)[:, None] * vocab + ids  # (B, T)
    if inputs.lengths is not None:
        places = torch.arange(ids.shape[1], device=ids.device)
        keys = keys[places < inputs.lengths[:, None]]
    keys = keys.unique()
    return keys // vocab, keys % vocab
