"""N-gram language model with interpolated Kneser-Ney smoothing: it counts, and takes no gradient step.

Kneser and Ney 1995, "Improved Backing-Off for M-gram Language Modeling", in the interpolated form with one discount of
Chen and Goodman 1999, "An Empirical Study of Smoothing Techniques for Language Modeling". Differs from them in that
text has a beginning (a symbol of its own, never predicted) only where a sequence begins, not in each sentence.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, Carry, Learner, Optimizers, TokenBatch

LARGEST = 2**63 - 1


class NGram(Learner):
    """Predicts the next token from the `order` - 1 before it.

    An n-gram is one number: its tokens as digits in base vocab + 1, the oldest first; the digit `vocab` stands for what
    is before a sequence. The buffers `grams` (ascending) and `counts` hold those that were seen, so that a saved state
    holds the model. A step's loss is that of the batch before it is counted, under the counts of the last merge; merges
    come whenever as much was seen again.
    """

    def __init__(self, *, vocab: int, order: int = 2, discount: float = 0.75) -> None:
        """Raises ValueError for an order below 1, a discount that isn't between 0 and 1, or n-grams that don't go into
        64 bits."""
        super().__init__()
        if order < 1 or not 0 < discount < 1:
            raise ValueError(f"an n-gram model needs order >= 1 and 0 < discount < 1, not {order} and {discount}")
        if (vocab + 1) ** order > LARGEST:
            raise ValueError(f"{order}-grams of {vocab} tokens don't go into 64 bits")
        self.vocab, self.base, self.order, self.discount = vocab, vocab + 1, order, discount
        self.register_buffer("grams", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("counts", torch.zeros(0, dtype=torch.int64))
        self._pending: list[Tensor] = []
        self._waiting = 0
        self._levels: list[Level] | None = None
        self._carry = Carry()

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        with torch.no_grad():
            context = self._carry(self.contexts, batch)  # (B, T)
            self._carry.commit()
            counts = _counting(batch)
            context, targets = context[counts], batch.targets[counts]  # (M,)
            loss = -self.probability(context, targets).log().sum() / max(len(targets), 1)
            self._pending.append(context * self.base + targets)
            self._waiting += len(targets)
            if self._waiting >= len(self.grams):
                self.merge()
            return loss.float()

    def predict(self, inputs: TokenBatch, *state: Any) -> Any:
        """Log probabilities (B, T, vocab) as logits; with a state, also the tokens that the next segment needs."""
        self.merge()
        context, tail = self.contexts(inputs, *(state or (None,)))
        logits = self.rows(context.flatten()).log().view(*context.shape, self.vocab)
        return (logits, tail) if state else logits

    def start(self, inputs: TokenBatch) -> Tensor:
        """Reads a prompt but its last token."""
        return self.contexts(TokenBatch(inputs.ids[:, :-1]), None)[1]

    def step(self, token: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Token (N,) and state -> log probabilities (N, vocab) and state."""
        logits, state = self.predict(TokenBatch(token[:, None]), state)
        return logits[:, 0], state

    def contexts(self, inputs: TokenBatch, *state: Tensor | None) -> Any:
        """The `order` - 1 tokens up to each place as one number, (B, T); with a state, also the next one: the last
        `order` - 2 tokens (B, order - 2)."""
        ids, before = inputs.ids, max(self.order - 2, 0)
        tail = state[0] if state else None
        if tail is None:
            tail = ids.new_full((len(ids), before), self.vocab)
        tokens = torch.cat([tail, ids], dim=1)  # (B, before + T)
        context = torch.zeros_like(ids)
        for shift in range(self.order - 1):
            context = context * self.base + tokens[:, shift : shift + ids.shape[1]]
        return (context, tokens[:, tokens.shape[1] - before :]) if state else context

    def merge(self) -> None:
        """Bring the tables up to date with all that was seen."""
        if self._pending:
            seen, times = torch.cat(self._pending).unique(return_counts=True)
            self.grams, self.counts = _added(self.grams, self.counts, seen, times)
            self._pending, self._waiting, self._levels = [], 0, None

    def levels(self) -> list[Level]:
        """The tables of all orders, 1 first. The highest has how often an n-gram was seen, each lower one in how many
        different places of one more token to the left."""
        if self._levels is None or self._levels[0].grams.device != self.grams.device:
            found = [Level(self.grams, self.counts, self.base)]
            for order in range(self.order - 1, 0, -1):
                found.append(Level(*(found[-1].grams % self.base**order).unique(return_counts=True), self.base))
            self._levels = found[::-1]
        return self._levels

    def probability(self, context: Tensor, target: Tensor) -> Tensor:
        """Of single tokens after these contexts, (M,) -> (M,) float64."""
        found = torch.full(context.shape, 1 / self.vocab, dtype=torch.float64, device=context.device)
        for order, level in enumerate(self.levels()):
            within = context % self.base**order  # the last tokens of it
            keep, scale = level.weights(within, self.discount)
            share = (level.count(within * self.base + target) - self.discount).clamp(min=0)
            found = found * keep + share * scale
        return found

    def rows(self, context: Tensor) -> Tensor:
        """Of all tokens after these contexts, (M,) -> (M, vocab) float32."""
        found = torch.full((1, self.vocab), 1 / self.vocab, device=context.device)
        for order, level in enumerate(self.levels()):
            within = context % self.base**order if order else context.new_zeros(1)  # without context all rows are one
            keep, scale = level.weights(within, self.discount)
            found = found * keep.float()[:, None]
            row, column, count = level.entries(within)
            values = (count - self.discount) * scale[row]
            found.view(-1).index_add_(0, row * self.vocab + column, values.float())
        return found.expand(len(context), -1)

    def _save_to_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.merge()
        super()._save_to_state_dict(*args, **kwargs)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """The tables take the size of those that are loaded."""
        for name in ("grams", "counts"):
            setattr(self, name, torch.zeros_like(state_dict[prefix + name], device=self.grams.device))
        self._pending, self._waiting, self._levels = [], 0, None
        super()._load_from_state_dict(state_dict, prefix, *args)


class Level:
    """The n-grams of one order, ascending, and their counts; those with the same context are neighbours."""

    def __init__(self, grams: Tensor, counts: Tensor, base: int) -> None:
        self.grams, self.counts, self.base = grams, counts, base
        zero = counts.new_zeros(1)
        self.sums = torch.cat([zero, counts.cumsum(0)])  # (G + 1,)

    def weights(self, context: Tensor, discount: float) -> tuple[Tensor, Tensor]:
        """Per context (M,): what the lower order weighs, and what one count does; float64."""
        first, last = self.span(context)
        total = (self.sums[last] - self.sums[first]).double()
        scale = 1 / total.clamp(min=1)
        keep = torch.where(total > 0, discount * (last - first) * scale, 1.0)
        return keep, scale

    def span(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Where the n-grams of each context begin and end."""
        first = torch.searchsorted(self.grams, context * self.base)
        return first, torch.searchsorted(self.grams, context * self.base + self.base - 1, right=True)

    def count(self, grams: Tensor) -> Tensor:
        """How often each of these was seen, 0 for most."""
        if not len(self.grams):
            return torch.zeros_like(grams)
        place = torch.searchsorted(self.grams, grams).clamp(max=len(self.grams) - 1)
        return torch.where(self.grams[place] == grams, self.counts[place], 0)

    def entries(self, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All n-grams of these contexts: the row of the context, the last token, the count."""
        first, last = self.span(context)
        sizes = last - first
        row = torch.arange(len(context), device=context.device).repeat_interleave(sizes)
        within = torch.arange(len(row), device=row.device) - (sizes.cumsum(0) - sizes)[row]
        place = first[row] + within
        return row, self.grams[place] % self.base, self.counts[place]


def _added(grams: Tensor, counts: Tensor, seen: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Two tables as one."""
    merged, place = torch.cat([grams, seen]).unique(return_inverse=True)
    return merged, torch.zeros_like(merged).index_add_(0, place, torch.cat([counts, times]))


def _counting(batch: Batch) -> Tensor:
    """Which places count: those of the mask, and none of the padding."""
    ids, lengths = batch.inputs.ids, batch.inputs.lengths
    counts = torch.ones_like(ids, dtype=torch.bool) if batch.mask is None else batch.mask
    if lengths is None:
        return counts
    return counts & (torch.arange(ids.shape[1], device=ids.device) < lengths[:, None])
