"""Which entity stands most often at an end of a relation: what a knowledge graph gives away without its other end."""

from __future__ import annotations

import torch
from torch import Tensor

from dlbench import Batch, Learner, LinkBatch, Optimizers


class FrequentLinks(Learner):
    """Counts how often each entity is the tail, and the head, of each relation. The anchor of a question isn't looked
    at. Entities that a relation never had follow by how often they are an answer at all; the loss is the batch's
    cross-entropy, after counting."""

    def __init__(self, *, entities: int, relations: int) -> None:
        super().__init__()
        self.relations = relations
        self.register_buffer("counts", torch.zeros(2 * relations, entities))  # exact up to 2^24

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        with torch.no_grad():
            places = self.rows(batch.inputs) * self.counts.shape[1] + batch.targets
            self.counts.view(-1).index_add_(0, places, torch.ones_like(places, dtype=self.counts.dtype))
            return torch.nn.functional.cross_entropy(self.predict(batch.inputs), batch.targets)

    def predict(self, inputs: LinkBatch) -> Tensor:
        """Log probabilities (B, E): each relation's counts, and one more spread over all entities by their own."""
        prior = self.counts.sum(dim=0) + 1
        counts = self.counts[self.rows(inputs)] + prior / prior.sum()
        return (counts / counts.sum(dim=1, keepdim=True)).log()

    def rows(self, inputs: LinkBatch) -> Tensor:
        """The row of the counts for each question, (B,): tails of all relations, then heads."""
        return inputs.backward.long() * self.relations + inputs.relations
