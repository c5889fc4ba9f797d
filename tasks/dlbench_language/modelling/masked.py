"""`markov_masked`: what stood at masked places of a random Markov chain, whose exact answer is known.

The task of Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers", on the source of
`markov_chars`. Differs from it in that every chosen place shows the mask token; none keeps its symbol or shows another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlbench import Batch, MaskedTokens, Signature, TokenBatch, Tokens, UsageError
from dlbench.data.batches import GatheredBatches

from .markov import SEED, MarkovChain, check_chain, token_losses

SHARE = 0.15  # of the places are masked
CHUNK = 2**21  # at most so many numbers at once


def two_sided_entropy(chain: MarkovChain) -> float:
    """Entropy in nats of a symbol given both of its neighbours, for a chain of order 1.

    H(X | left, right) = H(X | left) + H(right | X) - H(right | left): the chain rule, with the Markov property.
    """
    two_steps = MarkovChain(order=1, rows=chain.rows @ chain.rows, stationary=chain.stationary)
    return 2 * chain.entropy_rate() - two_steps.entropy_rate()


def posterior(chain: MarkovChain, segments: NDArray[np.int64], masked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The probability of the true symbol at every place (N, T), given what is not masked: exact, by the forward and
    backward recursions over contexts (Baum et al. 1970). 1 where a place isn't masked."""
    size = max(1, CHUNK // chain.rows.size)
    parts = range(0, len(segments), size)
    return np.concatenate([_posterior(chain, segments[i : i + size], masked[i : i + size]) for i in parts])


def _posterior(chain: MarkovChain, segments: NDArray[np.int64], masked: NDArray[np.bool_]) -> NDArray[np.float64]:
    vocab, order, length = chain.rows.shape[1], chain.order, segments.shape[1]
    # what each place says about its symbol: nothing if masked
    evidence = np.where(masked[..., None], 1.0, np.eye(vocab)[segments])  # (N, T, V)
    shape = (len(segments), *[vocab] * order)
    forward = np.broadcast_to(chain.stationary.reshape(1, *shape[1:]), shape)
    for place in range(order):
        forward = forward * evidence[:, place].reshape(-1, *[vocab if p == place else 1 for p in range(order)])
    rows = chain.rows.reshape(1, *[vocab] * (order + 1))
    messages = [forward]  # at place t: of the last `order` symbols, jointly with the evidence up to t
    for place in range(order, length):
        joint = messages[-1][..., None] * rows * evidence[:, place].reshape(-1, *[1] * order, vocab)
        message = joint.sum(axis=1)
        messages.append(message / message.sum(axis=tuple(range(1, order + 1)), keepdims=True))
    backward = np.ones(shape)
    found = np.empty(segments.shape)
    everyone = np.arange(len(segments))
    for place in range(length - 1, order - 2, -1):
        belief = (messages[place - order + 1] * backward).reshape(len(segments), *shape[1:])
        for at in (order - 1,) if place >= order else range(order):
            others = tuple(axis + 1 for axis in range(order) if axis != at)
            marginal = belief.sum(axis=others)  # (N, V)
            where = place - order + 1 + at
            found[:, where] = marginal[everyone, segments[:, where]] / marginal.sum(axis=1)
        backward = (rows * (evidence[:, place].reshape(-1, *[1] * (order - 1), vocab) * backward)[:, None]).sum(axis=-1)
        backward /= backward.max(axis=tuple(range(1, order + 1)), keepdims=True)
    return found


class MaskedMarkovTask:
    """Segments (N, T) per split, in each of which the same number of places is masked. Those of validation and test
    are fixed; those of training are drawn for every pass. The mask token is `vocab`."""

    def __init__(
        self, *, chain: MarkovChain, segments: Mapping[str, NDArray[np.int64]], num_masked: int, device: str = "cpu"
    ) -> None:
        self.vocab, length = chain.rows.shape[1], next(iter(segments.values())).shape[1]
        self.signature = Signature(
            input=Tokens(vocab=self.vocab + 1, length=length), output=MaskedTokens(vocab=self.vocab)
        )
        self.chain, self.device, self.num_masked = chain, device, num_masked
        self.segments = {split: torch.from_numpy(found).to(device) for split, found in segments.items()}
        self.masks: dict[str, Tensor] = {}
        self._best: dict[str, float] = {}
        for index, (split, found) in enumerate(segments.items()):
            random = np.random.RandomState([SEED, self.vocab, chain.order, index, length])
            self.masks[split] = torch.from_numpy(_few(random.random_sample(found.shape), num_masked)).to(device)

    def best(self, split: str) -> float:
        """What the exact posterior scores at the places that are masked for judging."""
        if split not in self._best:
            segments, masked = self.segments[split].cpu().numpy(), self.masks[split].cpu().numpy()
            self._best[split] = float(-np.log(posterior(self.chain, segments, masked)[masked]).mean())
        return self._best[split]

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        segments, masks = self.segments[split], self.masks[split]
        if split == "train" and generator is not None:
            drawn = torch.rand(segments.shape, generator=generator)
            masks = torch.from_numpy(_few(drawn.numpy(), self.num_masked)).to(self.device)

        def gather(index: Tensor) -> Batch:
            targets, mask = segments[index], masks[index]  # (B, T)
            ids = targets.masked_fill(mask, self.vocab)
            return Batch(inputs=TokenBatch(ids), targets=targets, mask=mask, size=len(index) * self.num_masked)

        return GatheredBatches(len(segments), batch_size, generator, gather, self.device)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return (token_losses(outputs, batch) * batch.mask).sum() / batch.size

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`cross_entropy` at the masked places, and `excess`: how much less the exact posterior scores there."""
        total, count = torch.zeros((), dtype=torch.float64, device=self.device), 0
        for batch in self.batches(split, 256, None):
            total += (token_losses(learner.predict(batch), batch).double() * batch.mask).sum()
            count += batch.size
        cross_entropy = total.item() / count
        return {"cross_entropy": cross_entropy, "excess": cross_entropy - self.best(split)}


def _few(numbers: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Which are the `count` smallest of each row."""
    return np.argsort(np.argsort(numbers, axis=1, kind="stable"), axis=1) < count


def make_task(
    *, vocab: int, order: int, length: int, sizes: Mapping[str, int], device: str = "cpu"
) -> MaskedMarkovTask:
    """`sizes` counts the segments of each split. Raises UsageError where the chain would be too large, or a segment too
    short for one whole context."""
    check_chain(vocab, order, sizes)
    if length <= order:
        raise UsageError(f"needs a length above the order {order}, not {length}")
    chain = MarkovChain.draw(vocab=vocab, order=order)
    segments = {
        split: chain.sample(size, length, np.random.RandomState([SEED, vocab, order, index]))
        for index, (split, size) in enumerate(sizes.items(), start=1)
    }
    return MaskedMarkovTask(chain=chain, segments=segments, num_masked=max(1, round(SHARE * length)), device=device)
