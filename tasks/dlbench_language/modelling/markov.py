"""`markov_chars`: segments of a random Markov chain, whose entropy rate is what no model can beat.

Shannon 1948, "A Mathematical Theory of Communication", section 7: the entropy of a source is the mean over its states,
weighted by their stationary probabilities, of the entropy of the next symbol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dlbench import Batch, NextToken, Signature, TokenBatch, Tokens, UsageError
from dlbench.data.batches import GatheredBatches

SEED = 20
CONCENTRATION = 0.2  # of the Dirichlet distribution of each row: small makes the next symbol easy to guess
MAX_CONTEXTS = 4096


@dataclass(frozen=True, kw_only=True)
class MarkovChain:
    """A chain of some order. `rows` (vocab ** order, vocab) holds the next symbol's probabilities for each context,
    numbered as a number in base `vocab` with the oldest symbol first; `stationary` the contexts' own probabilities."""

    order: int
    rows: NDArray[np.float64]
    stationary: NDArray[np.float64]

    @classmethod
    def draw(cls, *, vocab: int, order: int, seed: int = SEED) -> MarkovChain:
        """A chain with Dirichlet rows. The same arguments always give the same chain."""
        random = np.random.RandomState([seed, vocab, order])  # its streams are frozen, those of Generator are not
        rows = random.dirichlet(np.full(vocab, CONCENTRATION), size=vocab**order)
        return cls(order=order, rows=rows, stationary=stationary_distribution(rows))

    def entropy_rate(self) -> float:
        """Nats per symbol."""
        terms = np.where(self.rows > 0, self.rows * np.log(np.where(self.rows > 0, self.rows, 1.0)), 0.0)
        return float(-(self.stationary @ terms.sum(axis=1)))

    def sample(self, count: int, length: int, random: np.random.RandomState) -> NDArray[np.int64]:
        """`count` independent segments (count, length) in equilibrium: each starts in a context drawn from the
        stationary distribution."""
        num_contexts, vocab = self.rows.shape
        cumulative = self.rows.cumsum(axis=1)
        context = _draw(self.stationary.cumsum()[None], random.random_sample((count, 1)))
        symbols = [context // vocab ** (self.order - 1 - place) % vocab for place in range(self.order)]
        for _ in range(length - self.order):
            symbol = _draw(cumulative[context], random.random_sample((count, 1)))
            symbols.append(symbol)
            context = (context * vocab + symbol) % num_contexts
        return np.stack(symbols, axis=1)

    def cross_entropy(self, segments: NDArray[np.int64]) -> float:
        """What the chain itself scores on segments, in nats per symbol with a whole context before it."""
        vocab, length = self.rows.shape[1], segments.shape[1]
        context = np.zeros((len(segments), length - self.order), dtype=np.int64)
        for place in range(self.order):
            context = context * vocab + segments[:, place : place + length - self.order]
        return float(-np.log(self.rows[context, segments[:, self.order :]]).mean())


def stationary_distribution(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probabilities p of the contexts with p = p T, where T moves from context to context."""
    num_contexts, vocab = rows.shape
    moves = np.zeros((num_contexts, num_contexts))
    origin = np.repeat(np.arange(num_contexts), vocab)
    arrival = (origin * vocab + np.tile(np.arange(vocab), num_contexts)) % num_contexts
    np.add.at(moves, (origin, arrival), rows.ravel())
    equations = moves.T - np.eye(num_contexts)
    equations[-1] = 1.0  # one of them follows from the others; the probabilities add up to 1
    return np.linalg.solve(equations, np.eye(num_contexts)[-1])


def _draw(cumulative: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Per row, the index of the first cumulative probability above a uniform number."""
    return np.minimum((uniform >= cumulative).sum(axis=1), cumulative.shape[1] - 1)


class MarkovTask:
    """Segments (N, length + 1) per split. Place t sees the symbols up to t and predicts symbol t + 1; the first
    `order` - 1 places see less than the whole context and don't count."""

    def __init__(self, *, chain: MarkovChain, segments: Mapping[str, NDArray[np.int64]], device: str = "cpu") -> None:
        vocab, self.length = chain.rows.shape[1], next(iter(segments.values())).shape[1] - 1
        self.signature = Signature(input=Tokens(vocab=vocab, length=self.length), output=NextToken(vocab=vocab))
        self.device, self.skipped = device, chain.order - 1
        self.best = {split: chain.cross_entropy(found) for split, found in segments.items()}
        self.segments = {split: torch.from_numpy(found).to(device) for split, found in segments.items()}

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        segments = self.segments[split]
        counts = torch.arange(self.length, device=self.device) >= self.skipped  # (T,)

        def gather(index: Tensor) -> Batch:
            found = segments[index]  # (B, T + 1)
            ids, targets = found[:, :-1], found[:, 1:]
            mask = counts.expand_as(targets) if self.skipped else None
            size = len(index) * (self.length - self.skipped)
            return Batch(inputs=TokenBatch(ids), targets=targets, mask=mask, size=size)

        return GatheredBatches(len(segments), batch_size, generator, gather, self.device)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        losses = token_losses(outputs, batch)
        if batch.mask is None:
            return losses.mean()
        return (losses * batch.mask).sum() / batch.mask.sum()

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`cross_entropy`, and `excess`: how much the chain itself scores less on the same symbols."""
        total, count = torch.zeros((), dtype=torch.float64, device=self.device), 0
        for batch in self.batches(split, 256, None):
            losses = token_losses(learner.predict(batch), batch).double()
            total += (losses if batch.mask is None else losses * batch.mask).sum()
            count += batch.size
        cross_entropy = total.item() / count
        return {"cross_entropy": cross_entropy, "excess": cross_entropy - self.best[split]}


def token_losses(outputs: Tensor, batch: Batch) -> Tensor:
    """Logits (B, T, vocab) -> losses in nats (B, T)."""
    assert batch.targets is not None
    return F.cross_entropy(outputs.float().transpose(1, 2), batch.targets, reduction="none")


def check_chain(vocab: int, order: int, sizes: Mapping[str, int]) -> None:
    """Raises UsageError for a chain that would be too small or too large, and for a split without segments."""
    if vocab < 2 or order < 1 or vocab**order > MAX_CONTEXTS:
        raise UsageError(f"needs vocab >= 2, order >= 1 and vocab ** order <= {MAX_CONTEXTS}, not {vocab} ** {order}")
    for split, size in sizes.items():
        if size < 1:
            raise UsageError(f"num_{split} must be at least 1, not {size}")


def make_task(*, vocab: int, order: int, length: int, sizes: Mapping[str, int], device: str = "cpu") -> MarkovTask:
    """`sizes` counts the segments of each split. Raises UsageError where the chain would be too large, or a segment too
    short for one whole context."""
    check_chain(vocab, order, sizes)
    if length < order:
        raise UsageError(f"needs a length of at least the order {order}, not {length}")
    chain = MarkovChain.draw(vocab=vocab, order=order)
    segments = {
        split: chain.sample(size, length + 1, np.random.RandomState([SEED, vocab, order, index]))
        for index, (split, size) in enumerate(sizes.items(), start=1)
    }
    return MarkovTask(chain=chain, segments=segments, device=device)
