"""BERT that pre-trains within its cell and then learns classes: Devlin et al. 2019, "BERT: Pre-training of Deep
Bidirectional Transformers for Language Understanding".

Differs from the paper: it pre-trains on the very texts that it is then taught, for a share of the same budget.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import Batch, Learner, Optimizers

from .bert import BERT, TokenHead
from .initial import small_normal

PICKED, MASKED, RANDOM = 0.15, 0.8, 0.1  # the shares of section 3.1, the last two of the first


class PretrainedBERT(Learner):
    """Tokens -> classes. For the first `pretrain_fraction` of the budget it learns to name masked tokens of the
    training texts, without their classes; then the classes, from the vector of [CLS]. Other options as in `BERT`."""

    def __init__(self, *, vocab: int, num_classes: int, pretrain_fraction: float = 0.5, **options: Any) -> None:
        super().__init__()
        self.vocab, self.pretrain_fraction = vocab, pretrain_fraction
        self.bert = BERT(vocab=vocab, **options)
        width = self.bert.entry.embed.embedding_dim
        self.token_head = TokenHead(width=width, vocab=vocab)
        dropout = self.bert.entry.dropout.p
        self.class_head = nn.Sequential(
            nn.Linear(width, width), nn.Tanh(), nn.Dropout(dropout), nn.Linear(width, num_classes)
        )
        small_normal(self.class_head)

    def predict(self, inputs: Any) -> Tensor:
        """(B, num_classes)"""
        return self.class_head(self.bert(inputs.ids, inputs.lengths)[:, 0])

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        if optimizers.progress.share < self.pretrain_fraction:
            ids, picked = mask_tokens(batch.inputs, vocab=self.vocab, mask_token=self.bert.mask_token)
            return optimizers.minimize(lambda: self.token_loss(batch.inputs, ids, picked))
        return optimizers.minimize(lambda: self.loss(batch))

    def loss(self, batch: Batch) -> Tensor:
        """That of the classes: mean cross-entropy in nats."""
        assert batch.targets is not None
        return F.cross_entropy(self.predict(batch.inputs), batch.targets)

    def token_loss(self, inputs: Any, ids: Tensor, picked: Tensor) -> Tensor:
        """Mean cross-entropy in nats at the picked places of masked `ids`, both (B, T)."""
        places = picked.nonzero(as_tuple=True)
        x = self.bert(ids, inputs.lengths)[:, 1:][places]  # (places, width)
        logits = self.token_head(x, self.bert.entry.embed.weight)
        return F.cross_entropy(logits, inputs.ids[places])


def mask_tokens(inputs: Any, *, vocab: int, mask_token: int) -> tuple[Tensor, Tensor]:
    """Ids to read and the places that were picked, bool, both (B, T): 15 % of those that are no padding, and at least
    one; 80 % of them show the mask token, 10 % any token, 10 % what they were. From torch's global generator."""
    ids = inputs.ids
    valid = torch.ones_like(ids, dtype=torch.bool)
    if inputs.lengths is not None:
        valid = torch.arange(ids.shape[1], device=ids.device) < inputs.lengths[:, None]
    chance = torch.rand(ids.shape, device=ids.device).masked_fill(~valid, 2.0)
    picked = chance < PICKED
    picked.view(-1).index_fill_(0, chance.argmin().view(1), True)  # a loss over no place would be no number
    fate = torch.rand(ids.shape, device=ids.device)
    shown = ids.masked_fill(picked & (fate < MASKED), mask_token)
    anything = torch.randint(vocab, ids.shape, device=ids.device)
    return torch.where(picked & (fate >= MASKED) & (fate < MASKED + RANDOM), anything, shown), picked
