"""Captions of pictures: cross-entropy per word, what the model writes by itself, and where it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, Image, ImageBatch, Signature, TokenSequence, UsageError
from dlbench.data.sequences import BucketedBatches, Index, Ragged

from ..images import channel_statistics
from .bleu import corpus_bleu
from .pictures import strip
from .vocabulary import END, START, UNKNOWN, Vocabulary

JUDGED_TOGETHER = 250
SHOWN = 4  # pictures whose attention is drawn
IGNORED = -100
TOLERANCE = 1 / 24


@dataclass(frozen=True)
class Named:
    """Where the things that captions name are: `boxes` (N, K, 4), left, top, right, bottom as shares of the picture;
    `places` (N, K), which word of the caption, from 0, is the name of each."""

    boxes: np.ndarray
    places: np.ndarray


@dataclass(frozen=True)
class Captioned:
    """Pictures (N, C, H, W) uint8 and the words of their captions."""

    images: np.ndarray
    captions: Sequence[Sequence[str]]
    named: Named | None = None


class Split:
    """One split on the device: pictures as bytes, captions as ids, each closed by the end token."""

    def __init__(self, found: Captioned, vocabulary: Vocabulary, device: str) -> None:
        self.images = torch.from_numpy(found.images).to(device)
        self.ids = Ragged([[*vocabulary.encode(words), END] for words in found.captions], device=device)
        self.references = [" ".join(words) for words in found.captions]
        self.known = [all(word in vocabulary for word in words) for words in found.captions]
        self.boxes = self.places = None
        if found.named is not None:
            self.boxes = torch.from_numpy(found.named.boxes).to(device)
            self.places = torch.from_numpy(found.named.places).to(device)

    def __len__(self) -> int:
        return len(self.references)


class CaptionTask:
    """Pictures with a caption each. Batches hold whole captions, padded to the longest among them; their size counts
    pictures, normalised per channel by mean and standard deviation of the training pictures. Unknown words, which the
    training split never has, are masked. `length`: the longest to write, the end included; `beam`: hypotheses, 1 for
    greedy search; `samples`: captions kept in the record. Raises UsageError for a beam below 1 or samples below 0."""

    def __init__(
        self, splits: Mapping[str, Captioned], *, vocabulary: Vocabulary, length: int, beam: int = 1, samples: int = 4,
        device: str = "cpu",
    ) -> None:  # fmt: skip
        if beam < 1 or samples < 0:
            raise UsageError(f"beam is at least 1 and samples at least 0, not {beam} and {samples}")
        self.vocabulary, self.beam, self.shown, self.device = vocabulary, beam, samples, device
        self.splits = {name: Split(found, vocabulary, device) for name, found in splits.items()}
        images = splits["train"].images
        channels, height, width = images.shape[1:]
        self.signature = Signature(
            input=Image(channels=channels, height=height, width=width),
            output=TokenSequence(vocab=len(vocabulary), length=length, start=START, end=END),
        )
        mean, std = (torch.tensor(x, dtype=torch.float32, device=device) for x in channel_statistics(images))
        self._mean, self._scale = mean.view(1, -1, 1, 1), 1 / std.view(1, -1, 1, 1)

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> BucketedBatches:
        part = self.splits[split]

        def gather(index: Index) -> Batch:
            return self._gather(part, index)

        return BucketedBatches(part.ids.lengths, batch_size, generator, gather, device=self.device, pool=1)

    def _gather(self, part: Split, index: Index) -> Batch:
        targets, lengths = part.ids.padded(index)  # (B, U), (B,)
        places = torch.arange(targets.shape[1], device=targets.device)
        mask = (places < lengths[:, None]) & (targets != UNKNOWN)
        previous = torch.cat([torch.full_like(targets[:, :1], START), targets[:, :-1]], dim=1)
        inputs = ImageBatch(self._normalised(part.images.index_select(0, index.there)), previous)
        return Batch(inputs=inputs, targets=targets, mask=mask, size=len(index))

    def _normalised(self, pixels: Tensor) -> Tensor:
        return (pixels - self._mean).mul_(self._scale)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Nats per word, the end included: the mean over the batch."""
        assert batch.mask is not None
        return summed_loss(outputs, batch) / batch.mask.sum()

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`exact`: the share of captions that are written word by word as they should be; `bleu`; `cross_entropy` in
        nats per word that is known, given those before it. Also, where not all words are known, `exact_known`: of the
        captions without an unknown one; and `pointing`, where things are named and the model says where it looks."""
        part = self.splits[split]
        points = part.boxes is not None and learner.offers("attend")
        nats, tokens, hits = (torch.zeros((), dtype=torch.float64, device=self.device) for _ in range(3))
        written = [""] * len(part)
        batches = self.batches(split, JUDGED_TOGETHER, None)
        for index, batch in zip(batches.indices(), batches, strict=True):
            assert batch.mask is not None
            nats += summed_loss(learner.predict(batch), batch).double()
            tokens += batch.mask.sum()
            for place, text in zip(index.host.tolist(), self.write(learner, batch)[0], strict=True):
                written[place] = text
            if points:
                hits += pointed(learner.attend(batch), part.boxes[index.there], part.places[index.there]).sum()
        right = [text == reference for text, reference in zip(written, part.references, strict=True)]
        found = {
            "exact": sum(right) / len(right),
            "bleu": corpus_bleu(written, part.references),
            "cross_entropy": nats.item() / tokens.item(),
        }
        if not all(part.known):
            found["exact_known"] = sum(np.array(right)[part.known]) / max(1, sum(part.known))
        if points:
            found["pointing"] = hits.item() / part.places.numel()
        return found

    def write(self, learner: Any, batch: Batch) -> tuple[list[str], Tensor]:
        """What the learner writes of each picture, as text, and as ids (B, L)."""
        ids, lengths = learner.generate(batch, beam=self.beam)
        rows = zip(ids.tolist(), lengths.tolist(), strict=True)
        return [self.vocabulary.decode(row[:length]) for row, length in rows], ids

    def samples(self, learner: Any) -> list[str]:
        """Caption ||| what was written, of the first test pictures."""
        part, batch = self._first(self.shown)
        texts = self.write(learner, batch)[0] if batch.size else []
        return [" ||| ".join(row) for row in zip(part.references, texts, strict=False)]

    def pictures(self, learner: Any) -> dict[str, np.ndarray]:
        """`attention`, (H, W, 3) uint8: where the model looks while it writes each word of the first test pictures.
        Nothing of a model that doesn't say where it looks."""
        if not learner.offers("attend"):
            return {}
        part, batch = self._first(SHOWN)
        texts, ids = self.write(learner, batch)
        if not ids.shape[1]:
            return {}
        before = torch.cat([torch.full_like(ids[:, :1], START), ids[:, :-1]], dim=1)
        looks = learner.attend(Batch(inputs=batch.inputs._replace(previous=before), size=batch.size))
        pixels = part.images[: batch.size].permute(0, 2, 3, 1).cpu().numpy()
        return {"attention": strip(pixels, [text.split() for text in texts], looks.cpu().numpy())}

    def _first(self, count: int) -> tuple[Split, Batch]:
        """The first test pictures, and the batch of them."""
        part = self.splits["test"]
        first = torch.arange(min(count, len(part)))
        if not len(first):
            return part, Batch(inputs=None)
        return part, self._gather(part, Index(first, first.to(self.device)))


def summed_loss(outputs: Tensor, batch: Batch) -> Tensor:
    """Logits (B, U, vocab) -> the sum of the losses in nats over the places that count."""
    assert batch.targets is not None
    assert batch.mask is not None
    targets = batch.targets.masked_fill(~batch.mask, IGNORED)
    return F.cross_entropy(outputs.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")


def pointed(attention: Tensor, boxes: Tensor, places: Tensor) -> Tensor:
    """Whether attention (B, U, rows, columns) at words `places` (B, K) falls into `boxes` (B, K, 4): bool (B, K).

    What counts is the centre of the cell with the largest share: a point has no area, and a coarse grid gains nothing.
    It may miss a box by TOLERANCE of the side. This is the pointing game of Zhang, Lin, Brandt, Shen, Sclaroff 2016,
    "Top-down Neural Attention by Excitation Backprop", whose 15 pixels are as much of a photograph of 500 x 375.
    """
    rows, columns = attention.shape[2:]
    cells = attention.flatten(2).argmax(dim=2).gather(1, places)  # (B, K)
    x, y = (cells % columns + 0.5) / columns, (cells // columns + 0.5) / rows
    left, top, right, bottom = boxes.unbind(dim=2)
    beside, above = torch.maximum(left - x, x - right), torch.maximum(top - y, y - bottom)
    return torch.maximum(beside, above) <= TOLERANCE
