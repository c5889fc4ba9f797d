"""`hmm_tags`: the hidden states behind the symbols of a hidden Markov model, whose best tagger is known.

Rabiner 1989, "A Tutorial on Hidden Markov Models and Selected Applications in Speech Recognition", section III: the
forward and backward recursions give each state's probability given the whole sequence, and the likeliest state at each
place is the tag that is right most often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dlbench import Batch, Signature, TokenBatch, Tokens, TokenTags
from dlbench.data.batches import GatheredBatches

from .sizes import check_at_least, check_sizes, judge_batch

SEED = 48
MOVES = 0.5  # of the Dirichlet distributions of the rows: small makes the next state easy to guess
EMITS = 0.5

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class HiddenMarkov:
    """`start` (K,), `moves` (K, K) from row to column, `emits` (K, V): probabilities, all known."""

    start: Floats
    moves: Floats
    emits: Floats

    @classmethod
    def draw(cls, *, states: int, vocab: int) -> HiddenMarkov:
        """A model with Dirichlet rows that starts in any state. The same sizes always give the same model."""
        random = np.random.RandomState([SEED, states, vocab])
        return cls(
            start=np.full(states, 1 / states),
            moves=random.dirichlet(np.full(states, MOVES), states),
            emits=random.dirichlet(np.full(vocab, EMITS), states),
        )

    def sample(self, count: int, length: int, random: np.random.RandomState) -> tuple[Integers, Integers]:
        """Symbols and states, both (count, length)."""
        state = _draw(np.tile(self.start, (count, 1)), random)
        symbols, states = [], []
        for _ in range(length):
            states.append(state)
            symbols.append(_draw(self.emits[state], random))
            state = _draw(self.moves[state], random)
        return np.stack(symbols, axis=1), np.stack(states, axis=1)

    def filtered(self, symbols: Integers) -> Floats:
        """Each state's probability given the symbols up to its place, (N, T, K)."""
        found = np.empty((*symbols.shape, len(self.start)))
        belief = np.tile(self.start, (len(symbols), 1))
        for place, column in enumerate(symbols.T):
            weights = belief * self.emits.T[column]
            found[:, place] = weights / weights.sum(axis=1, keepdims=True)
            belief = found[:, place] @ self.moves
        return found

    def smoothed(self, symbols: Integers) -> Floats:
        """Each state's probability given all symbols, (N, T, K)."""
        found = self.filtered(symbols)
        later = np.ones_like(found[:, 0])
        for place in range(symbols.shape[1] - 2, -1, -1):
            later = (later * self.emits.T[symbols[:, place + 1]]) @ self.moves.T
            later /= later.sum(axis=1, keepdims=True)
            weights = found[:, place] * later
            found[:, place] = weights / weights.sum(axis=1, keepdims=True)
        return found


def _draw(probabilities: Floats, random: np.random.RandomState) -> Integers:
    """Per row (N, K), an index drawn with its probabilities."""
    above = random.random_sample((len(probabilities), 1)) >= probabilities.cumsum(axis=1)
    found: Integers = above.sum(axis=1).clip(max=probabilities.shape[1] - 1)
    return found


def accuracy(beliefs: Floats, states: Integers) -> float:
    """How often the likeliest state is the true one."""
    return float((beliefs.argmax(axis=2) == states).mean())


class HiddenMarkovTask:
    """Per split symbols and states, both (N, T)."""

    def __init__(
        self, model: HiddenMarkov, splits: Mapping[str, tuple[Integers, Integers]], *, device: str = "cpu"
    ) -> None:
        states, vocab = model.emits.shape
        self.length = splits["train"][0].shape[1]
        self.signature = Signature(input=Tokens(vocab=vocab, length=self.length), output=TokenTags(num_classes=states))
        self.device = device
        self.best = {
            name: accuracy(model.smoothed(splits[name][0]), splits[name][1]) for name in splits if name != "train"
        }
        self.splits = {
            name: (torch.from_numpy(symbols).to(device), torch.from_numpy(tags).to(device))
            for name, (symbols, tags) in splits.items()
        }

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        symbols, states = self.splits[split]

        def gather(index: Tensor) -> Batch:
            ids = symbols[index]  # (B, T)
            return Batch(inputs=TokenBatch(ids), targets=states[index], size=ids.numel())

        return GatheredBatches(len(symbols), batch_size, generator, gather, self.device)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean cross-entropy over all places, in nats."""
        assert batch.targets is not None
        return functional.cross_entropy(outputs.flatten(0, 1), batch.targets.flatten())

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`accuracy` over all places, `cross_entropy` in nats, and on held-out splits `regret`: by how much the tagger
        that knows the model is more accurate on the same sequences."""
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        nats, places = torch.zeros((), dtype=torch.float64, device=self.device), 0
        for batch in self.batches(split, judge_batch(self.length), None):
            assert batch.targets is not None
            logits = learner.predict(batch).float().transpose(1, 2)  # (B, K, T)
            correct += (logits.argmax(1) == batch.targets).sum()
            nats += functional.cross_entropy(logits, batch.targets, reduction="none").double().sum()
            places += batch.size
        scores = {"accuracy": correct.item() / places, "cross_entropy": nats.item() / places}
        if split in self.best:
            scores["regret"] = self.best[split] - scores["accuracy"]
        return scores


def make_task(
    *, length: int, states: int, vocab: int, num_train: int, num_val: int, num_test: int, device: str = "cpu"
) -> HiddenMarkovTask:
    """Raises UsageError for fewer than two states or symbols."""
    check_at_least(1, length=length)
    check_at_least(2, states=states, vocab=vocab)
    sizes = check_sizes(num_train=num_train, num_val=num_val, num_test=num_test)
    model = HiddenMarkov.draw(states=states, vocab=vocab)
    splits = {
        split: model.sample(count, length, np.random.RandomState([SEED, states, vocab, length, index]))
        for index, (split, count) in enumerate(sizes.items())
    }
    return HiddenMarkovTask(model, splits, device=device)
