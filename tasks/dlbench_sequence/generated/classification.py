"""Sequences of tokens with one class each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dlbench import Batch, Classes, Signature, TokenBatch, Tokens
from dlbench.data.sequences import BucketedBatches, Index, Ragged

from ..scores import class_scores
from .sizes import judge_batch


class TokenClassification:
    """`splits`: for `train`, `val` and `test` the sequences, arrays of token ids below 256, and their labels (N,).

    They lie on `device` as bytes and are padded batch by batch; a split of equally long ones has no lengths.
    """

    def __init__(
        self,
        splits: Mapping[str, tuple[Sequence[Any], NDArray[Any]]],
        *,
        vocab: int,
        num_classes: int,
        length: int,
        device: str = "cpu",
    ) -> None:
        self.signature = Signature(
            input=Tokens(vocab=vocab, length=length), output=Classes(num_classes=num_classes)
        )  # fmt: skip
        self.device = device
        self.rows = {name: Ragged(rows, dtype=torch.uint8, device=device) for name, (rows, _) in splits.items()}
        self.labels = {
            name: torch.from_numpy(labels.astype("int64")).to(device) for name, (_, labels) in splits.items()
        }

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> BucketedBatches:
        rows, labels = self.rows[split], self.labels[split]
        even = bool((rows.lengths == rows.lengths[0]).all())

        def gather(index: Index) -> Batch:
            ids, lengths = rows.padded(index)  # (B, T), (B,)
            inputs = TokenBatch(ids.long(), None if even else lengths)
            return Batch(inputs=inputs, targets=labels[index.there], size=len(index))

        return BucketedBatches(rows.lengths, batch_size, generator, gather, device=self.device)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean cross-entropy, in nats."""
        assert batch.targets is not None
        return functional.cross_entropy(outputs, batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`accuracy` (fraction) and `cross_entropy` (nats) over all sequences of the split."""
        size = judge_batch(int(self.rows[split].lengths.max()))
        return class_scores(learner, self.batches(split, size, None), self.device)
