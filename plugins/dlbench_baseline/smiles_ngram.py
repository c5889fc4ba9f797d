"""Sequences from n-gram counts: the counts of `ngram.py`, and draws from them."""

from __future__ import annotations

import torch
from torch import Tensor

from dlbench import Batch, Optimizers, TokenBatch
from dlbench.decoding import START, draw

from .ngram import NGram


class SequenceNGram(NGram):
    """Rows run from START to END; the `order` - 1 tokens before a place say what may come. `length`: the longest row
    that is written, both included."""

    def __init__(self, *, vocab: int, length: int, order: int = 6, discount: float = 0.5) -> None:
        super().__init__(vocab=vocab, order=order, discount=discount)
        self.length = length

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        rows = batch.inputs
        lengths = None if rows.lengths is None else rows.lengths - 1
        shifted = Batch(inputs=TokenBatch(rows.ids[:, :-1], lengths), targets=rows.ids[:, 1:], size=batch.size)
        return super().train_step(shifted, optimizers)

    def log_density(self, inputs: TokenBatch) -> Tensor:
        """Nats of each row (B,)."""
        self.merge()
        context, targets = self.contexts(TokenBatch(inputs.ids[:, :-1])), inputs.ids[:, 1:]
        nats = self.probability(context.flatten(), targets.flatten()).log().view(context.shape)
        if inputs.lengths is not None:
            places = torch.arange(1, inputs.ids.shape[1], device=nats.device)
            nats = nats.masked_fill(places >= inputs.lengths[:, None], 0.0)
        return nats.sum(dim=1).float()

    def sample(self, count: int, generator: torch.Generator) -> TokenBatch:
        """`count` rows; one that isn't at its end after `length` tokens stays without."""
        device = self.grams.device
        start = self.start(TokenBatch(torch.full((count, 1), START, device=device)))
        return draw(self.step, start, count=count, length=self.length, generator=generator, device=device)
