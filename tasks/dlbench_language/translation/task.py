"""Translation of sentences: bucketed batches, cross-entropy per target token, BLEU of what the model writes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, Signature, TokenBatch, Tokens, TokenSequence
from dlbench.data.sequences import BucketedBatches, Index, Ragged

from .bleu import corpus_bleu, signature
from .parallel import Sentence
from .vocabulary import END, START, Vocabulary

JUDGED_TOGETHER = 128  # pairs in a batch of judging
IGNORED = -100


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How translations are written: `beam` hypotheses, 1 for greedy search; `length_penalty`, see `dlbench.decoding`;
    `samples` translations of the test split are kept in the record."""

    beam: int = 1
    length_penalty: float = 1.0
    samples: int = 4


class Split:
    """The pairs of one split as ids on the device, each sentence closed by the end token, and their own words."""

    def __init__(
        self, pairs: Sequence[tuple[Sentence, Sentence]], source: Vocabulary, target: Vocabulary, device: str
    ) -> None:
        self.source = Ragged([[*source.encode(words), END] for words, _ in pairs], device=device)
        self.target = Ragged([[*target.encode(words), END] for _, words in pairs], device=device)
        self.texts = [" ".join(words) for words, _ in pairs]
        self.references = [" ".join(words) for _, words in pairs]

    def __len__(self) -> int:
        return len(self.texts)

    def gather(self, index: Index) -> Batch:
        """These B pairs: source ids (B, T), targets (B, U) and what stands before each (B, U)."""
        ids, lengths = self.source.padded(index)
        targets, written = self.target.padded(index)
        mask = torch.arange(targets.shape[1], device=targets.device) < written[:, None]  # (B, U)
        previous = torch.cat([torch.full_like(targets[:, :1], START), targets[:, :-1]], dim=1)
        inputs = TokenBatch(ids, lengths, previous=previous, sizes=self.source.sizes(index))
        return Batch(inputs=inputs, targets=targets, mask=mask, size=sum(self.target.sizes(index)))


class TranslationTask:
    """Pairs of sentences per split. Batches hold pairs whose lengths, source and target added, are about the same; the
    size of a batch counts target tokens, the end tokens included. The vocabularies are those of the training pairs."""

    def __init__(
        self,
        pairs: Mapping[str, Sequence[tuple[Sentence, Sentence]]],
        *,
        min_count: int = 2,
        writing: Writing | None = None,
        device: str = "cpu",
    ) -> None:
        self.writing, self.device = writing or Writing(), device
        self.source = Vocabulary((words for words, _ in pairs["train"]), min_count=min_count)
        self.target = Vocabulary((words for _, words in pairs["train"]), min_count=min_count)
        self.splits = {name: Split(found, self.source, self.target, device) for name, found in pairs.items()}
        self.signature = Signature(
            input=Tokens(vocab=len(self.source), length=max(int(s.source.lengths.max()) for s in self.splits.values())),
            output=TokenSequence(
                vocab=len(self.target),
                length=max(int(self.splits[name].target.lengths.max()) for name in ("train", "val")),
                start=START,
                end=END,
            ),
        )

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> BucketedBatches:
        pairs = self.splits[split]
        lengths = pairs.source.lengths + pairs.target.lengths
        return BucketedBatches(lengths, batch_size, generator, pairs.gather, device=self.device)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Nats per target token, the mean over the batch."""
        return summed_loss(outputs, batch) / batch.size

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`bleu` of what the learner writes against the references as they were spelled; `cross_entropy` in nats per
        target token, given those before it, and its exponential, the `perplexity`."""
        pairs, total = self.splits[split], torch.zeros((), dtype=torch.float64, device=self.device)
        translations, count = [""] * len(pairs), 0
        batches = self.batches(split, JUDGED_TOGETHER, None)
        for index, batch in zip(batches.indices(), batches, strict=True):
            total += summed_loss(learner.predict(batch), batch).double()
            count += batch.size
            for place, text in zip(index.host.tolist(), self.translate(learner, batch), strict=True):
                translations[place] = text
        cross_entropy = total.item() / count
        return {
            "bleu": corpus_bleu(translations, pairs.references),
            "cross_entropy": cross_entropy,
            "perplexity": math.exp(min(cross_entropy, 700.0)),  # beyond that, float64 has no number
        }

    def translate(self, learner: Any, batch: Batch) -> list[str]:
        """What the learner writes for each source, as text."""
        ids, lengths = learner.generate(batch, beam=self.writing.beam, length_penalty=self.writing.length_penalty)
        rows = zip(ids.tolist(), lengths.tolist(), strict=True)
        return [self.target.decode(row[:length]) for row, length in rows]

    def samples(self, learner: Any) -> list[str]:
        """How BLEU was counted, then "source ||| reference ||| translation" of the first test pairs."""
        pairs = self.splits["test"]
        first = torch.arange(min(self.writing.samples, len(pairs)))
        index = Index(first, first.to(self.device))
        found = self.translate(learner, pairs.gather(index)) if len(index) else []
        rows = zip(pairs.texts, pairs.references, found, strict=False)
        return [f"sacreBLEU {signature()}", *(" ||| ".join(row) for row in rows)]


def summed_loss(outputs: Tensor, batch: Batch) -> Tensor:
    """Logits (B, U, vocab) -> the sum of the losses in nats over the places that count."""
    assert batch.targets is not None
    assert batch.mask is not None
    targets = batch.targets.masked_fill(~batch.mask, IGNORED)
    return F.cross_entropy(outputs.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")
