"""Molecules as SMILES strings, drawn token by token.

Weininger 1988, "SMILES, a chemical language and information system". A row of ids is the start, the tokens of a string
(see `alphabet`; those of all splits have a number), and the end. In what a model draws the start may be missing; a row
is read up to the first end, and without one it is no molecule, whatever stands there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, Sample, Signature, TokenBatch, Tokens
from dlbench.data.sequences import BucketedBatches, Index, Ragged

from .alphabet import Alphabet
from .chemistry import parsed, quiet
from .library import SEED, library
from .task import SHOWN, SPLIT_SEEDS, Molecules

JUDGED_TOGETHER = 250
MOST_JUDGED = 2000
"""Strings of a split whose likelihood is asked for; of more, every second, third and so on."""


class SmilesStrings(Molecules):
    """`splits`: SMILES strings of train, val and test. Of models that know it, `judge` also gives the `nll`: nats per
    string, the end included."""

    def __init__(
        self, splits: Mapping[str, Sequence[str]], *, cache: Path, scaffolds: bool = False, device: str = "cpu"
    ) -> None:
        super().__init__(library(splits, scaffolds=scaffolds, cache=cache))
        self.device = device
        self.alphabet = Alphabet(text for texts in splits.values() for text in texts)
        encode = self.alphabet.encode
        self.rows = {split: Ragged([encode(text) for text in texts], device=device) for split, texts in splits.items()}
        longest = max(int(rows.lengths.max()) for rows in self.rows.values())
        self.signature = Signature(input=Tokens(vocab=len(self.alphabet), length=longest), output=Sample())

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> BucketedBatches:
        rows = self.rows[split]
        return BucketedBatches(
            rows.lengths, batch_size, generator, lambda index: self._gather(rows, index), device=self.device
        )

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        found = super().judge(learner, split)
        if learner.offers("log_density"):
            found["nll"] = self._nll(learner, self.rows[split])
        return found

    def texts(self, examples: Any) -> list[str | None]:
        """The string of each row of a TokenBatch, None where it has no end or holds what is no token. Raises ValueError
        for what isn't a TokenBatch of whole numbers (B, T)."""
        ids = getattr(examples, "ids", None)
        if not isinstance(ids, Tensor) or ids.dim() != 2 or ids.is_floating_point() or ids.is_complex():
            shown = f"{ids.dtype} {tuple(ids.shape)}" if isinstance(ids, Tensor) else type(examples).__name__
            raise ValueError(f"sample returned {shown}, not a TokenBatch of whole numbers (B, T)")
        rows = ids.tolist()
        lengths = [ids.shape[1]] * len(rows) if examples.lengths is None else examples.lengths.tolist()
        return [self.alphabet.decode(row[: max(0, length)]) for row, length in zip(rows, lengths, strict=True)]

    def read(self, examples: Any) -> list[Any]:
        return [parsed(text) for text in self.texts(examples)]

    def samples(self, learner: Any) -> list[str]:
        """A dozen strings as they were drawn, and what is wrong with those that are no molecule."""
        with quiet():
            texts = self.texts(learner.sample(SHOWN, torch.Generator().manual_seed(SEED + SPLIT_SEEDS["test"])))
            return [_shown(text) for text in texts]

    def _nll(self, learner: Any, rows: Ragged) -> float:
        chosen = torch.arange(0, len(rows), -(-len(rows) // MOST_JUDGED))
        total = 0.0
        for index in chosen[rows.lengths[chosen].argsort()].split(JUDGED_TOGETHER):
            batch = self._gather(rows, Index(index, index.to(self.device)))
            total -= float(learner.log_density(batch).double().sum())
        return total / len(chosen)

    def _gather(self, rows: Ragged, index: Index) -> Batch:
        ids, lengths = rows.padded(index)
        return Batch(inputs=TokenBatch(ids, lengths, sizes=rows.sizes(index)), size=len(index))


def _shown(text: str | None) -> str:
    if text is None:
        return "without an end"
    return text if parsed(text) is not None else f"{text} (no molecule)"
