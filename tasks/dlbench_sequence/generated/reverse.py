"""`reverse`: write a sequence backwards, the smallest task of translation.

Sutskever, Vinyals, Le 2014, "Sequence to Sequence Learning with Neural Networks", turn their sources around because a
network without attention finds what stands last easiest to write first; here that is what is asked. No sequence is in
two splits, short ones included: a tenth of all single symbols is never trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dlbench import Batch, Signature, TokenBatch, Tokens, TokenSequence, UsageError
from dlbench.data.sequences import BucketedBatches, Index, Ragged

from .sizes import check_at_least, check_sizes

SEED = 47
JUDGE_BATCH = 256
MOST_SYMBOLS = 254  # and start and end, in a byte
MOST_DRAWS = 100
SHOWN = 5


class ReverseTask:
    """Sequences of symbols 0 .. vocab - 1 per split. The written language has two tokens more, start and end."""

    def __init__(
        self,
        splits: Mapping[str, list[NDArray[np.uint8]]],
        *,
        vocab: int,
        length: int,
        beam: int = 1,
        device: str = "cpu",
    ) -> None:
        self.start, self.end = vocab, vocab + 1
        self.signature = Signature(
            input=Tokens(vocab=vocab, length=length),
            output=TokenSequence(vocab=vocab + 2, length=length + 1, start=self.start, end=self.end),
        )
        self.beam, self.device = beam, device
        self.sources = {name: Ragged(rows, dtype=torch.uint8, device=device) for name, rows in splits.items()}
        self.written = {
            name: Ragged(
                [np.array([self.start, *row[::-1], self.end]) for row in rows], dtype=torch.uint8, device=device
            )
            for name, rows in splits.items()
        }

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> BucketedBatches:
        sources, written = self.sources[split], self.written[split]

        def gather(index: Index) -> Batch:
            ids, lengths = sources.padded(index)  # (B, T), (B,)
            found = written.padded(index)[0].long()  # (B, T + 2)
            mask = torch.arange(found.shape[1] - 1, device=self.device) <= lengths[:, None]  # (B, T + 1)
            previous = torch.where(mask, found[:, :-1], 0)
            sizes = sources.sizes(index)
            inputs = TokenBatch(ids.long(), lengths, previous=previous, sizes=sizes)
            return Batch(inputs=inputs, targets=found[:, 1:], mask=mask, size=sum(sizes) + len(index))

        return BucketedBatches(sources.lengths, batch_size, generator, gather, device=self.device)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean cross-entropy over the written tokens, the end included, in nats."""
        assert batch.mask is not None
        return (token_losses(outputs, batch) * batch.mask).sum() / batch.mask.sum()

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`exact_match`: the share of sequences that the model writes backwards without a mistake; `cross_entropy`
        in nats per token, each after the right ones."""
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        nats, tokens = torch.zeros((), dtype=torch.float64, device=self.device), 0
        for batch in self.batches(split, JUDGE_BATCH, None):
            right += self._matches(batch, *learner.generate(batch, beam=self.beam)).sum()
            assert batch.mask is not None
            nats += (token_losses(learner.predict(batch), batch).double() * batch.mask).sum()
            tokens += batch.size
        return {"exact_match": right.item() / len(self.sources[split]), "cross_entropy": nats.item() / tokens}

    def samples(self, learner: Any) -> list[str]:
        """A few test sequences and what the model makes of them."""
        batch = next(iter(self.batches("test", SHOWN, None)))
        ids, lengths = learner.generate(batch, beam=self.beam)
        sources = [row[:size] for row, size in zip(batch.inputs.ids.tolist(), batch.inputs.lengths, strict=True)]
        answers = [row[:size] for row, size in zip(ids.tolist(), lengths, strict=True)]
        return [f"{_text(source)} -> {_text(answer)}" for source, answer in zip(sources, answers, strict=True)]

    def _matches(self, batch: Batch, ids: Tensor, lengths: Tensor) -> Tensor:
        """Whether each row of what was written (B, L) is the sequence that was asked for."""
        assert batch.targets is not None
        width = min(ids.shape[1], batch.targets.shape[1])
        beyond = torch.arange(width, device=self.device) >= batch.inputs.lengths[:, None]
        same = ((ids[:, :width] == batch.targets[:, :width]) | beyond).all(dim=1)
        right: Tensor = same & (lengths == batch.inputs.lengths)
        return right


def token_losses(outputs: Tensor, batch: Batch) -> Tensor:
    """Logits (B, U, vocab) -> losses in nats (B, U)."""
    assert batch.targets is not None
    return functional.cross_entropy(outputs.float().transpose(1, 2), batch.targets, reduction="none")


def _text(symbols: list[int]) -> str:
    return " ".join(map(str, symbols))


def make_task(
    *, length: int, vocab: int, beam: int, num_train: int, num_val: int, num_test: int, device: str = "cpu"
) -> ReverseTask:
    """Lengths from 1 to `length`, each as likely, of sequences that belong to the split. Raises UsageError for options
    below 1, a vocabulary outside 2 to 254, and where there are too few sequences to share out."""
    check_at_least(1, length=length, beam=beam)
    if not 2 <= vocab <= MOST_SYMBOLS:
        raise UsageError(f"vocab must be 2 to {MOST_SYMBOLS}, not {vocab}")
    sizes = check_sizes(num_train=num_train, num_val=num_val, num_test=num_test)
    splits = {split: _draw(index, count, length, vocab) for index, (split, count) in enumerate(sizes.items())}
    return ReverseTask(splits, vocab=vocab, length=length, beam=beam, device=device)


def _draw(split: int, count: int, length: int, vocab: int) -> list[NDArray[np.uint8]]:
    """`count` sequences of a split (0 train, 1 val, 2 test), drawn until there are enough that belong to it."""
    random = np.random.RandomState([SEED, length, vocab, split])
    rows: list[NDArray[np.uint8]] = []
    for _ in range(MOST_DRAWS):
        symbols = random.randint(0, vocab, (max(count, 1000), length)).astype(np.uint8)
        lengths = random.randint(1, length + 1, len(symbols))
        mine = _owners(symbols, lengths) == split
        rows += [row[:size] for row, size in zip(symbols[mine], lengths[mine], strict=True)]
        if len(rows) >= count:
            return rows[:count]
    raise UsageError(
        f"with length {length} and vocab {vocab} there are too few sequences for three splits that share none: "
        "raise one of them"
    )


def _owners(symbols: NDArray[np.uint8], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The one split to which each sequence belongs, whoever draws it: of ten, eight to train, one to each other."""
    keys = np.random.RandomState(SEED).randint(1, 2**62, symbols.shape[1], dtype=np.int64).astype(np.uint64)
    within = np.arange(symbols.shape[1]) < lengths[:, None]
    mixed = (np.where(within, symbols.astype(np.uint64) + np.uint64(1), np.uint64(0)) * keys).sum(axis=1)  # mod 2^64
    return np.array([0] * 8 + [1, 2])[(mixed >> np.uint64(32)) % np.uint64(10)]
