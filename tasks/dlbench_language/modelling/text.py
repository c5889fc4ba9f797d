"""Next-token prediction on real text: `TextTask`, and the texts that make one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, NextToken, Signature, TokenBatch, Tokens, UsageError
from dlbench.data import Data

from ..lines import read_text
from . import segments
from .reading import Vocabulary, characters_of, read_splits, words_of

EVAL_STREAMS = 10
EVAL_LOGITS = 2**22  # at most so many at once: larger tensors cost several times as much memory traffic
SAMPLE_LENGTH = 200


class TextTask:
    """One text per split, (N + 1,) token numbers, of which N are predicted.

    With `carry`, training runs in `batch_size` parallel streams cut into segments of `length`, the state is carried
    from one to the next, and judging runs in ten streams, each from a zero state. Without, segments stand alone: in
    training they come in random order (or start anywhere, with `anywhere`), in judging one after another.
    """

    def __init__(
        self, *, vocabulary: Vocabulary, texts: Mapping[str, Tensor], length: int, carry: bool, anywhere: bool = False,
        figures: Callable[[float], dict[str, float]], num_samples: int = 0, device: str = "cpu",
    ) -> None:  # fmt: skip
        """`figures` makes the metrics of the mean loss in nats. Raises UsageError for a length below 1."""
        if length < 1 or num_samples < 0:
            raise UsageError(f"needs a length of at least 1 and samples of at least 0, not {length} and {num_samples}")
        vocab = len(vocabulary)
        self.vocabulary, self.length, self.carry, self.anywhere = vocabulary, length, carry, anywhere
        self.figures, self.num_samples, self.device = figures, num_samples, device
        self.signature = Signature(
            input=Tokens(vocab=vocab, length=length), output=NextToken(vocab=vocab, carried=carry)
        )
        self.texts = {split: text.to(device) for split, text in texts.items()}

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
        text = self.texts[split]
        if self.carry:
            return segments.streams(text, batch_size, self.length, whole=split != "train")
        if generator is None:
            return segments.consecutive(text, batch_size, self.length)
        draw = segments.random_windows if self.anywhere else segments.shuffled
        return draw(text, batch_size, self.length, generator)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        assert batch.targets is not None
        logits, targets = outputs.float().flatten(0, 1), batch.targets.flatten()
        if batch.mask is None:
            return F.cross_entropy(logits, targets)
        losses = F.cross_entropy(logits, targets, reduction="none")
        return (losses * batch.mask.flatten()).sum() / batch.size

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """Of every token of the split, each predicted once."""
        total, count = torch.zeros((), dtype=torch.float64, device=self.device), 0
        places = EVAL_LOGITS // len(self.vocabulary)
        if self.carry:  # with a carried state, shorter segments answer the same
            length = max(1, min(self.length, places // EVAL_STREAMS))
            batches = segments.streams(self.texts[split], EVAL_STREAMS, length, whole=True)
        else:
            batches = self.batches(split, max(1, min(256, places // self.length)), None)
        for batch in batches:
            losses = exact_losses(learner.predict(batch), batch)
            total += (losses if batch.mask is None else losses * batch.mask.flatten()).sum()
            count += batch.size
        return self.figures(total.item() / count)

    def samples(self, learner: Any) -> list[str]:
        """`num_samples` texts of 200 characters, each the likeliest characters one by one after a line's beginning: the
        first starts with the most frequent first character of a line in the training text, and so on. No window grows
        beyond `length`: when it is full, the next one begins with its second half."""
        if not self.num_samples:
            return []
        line_end = self.vocabulary.numbers["\n"]
        text = self.texts["train"]
        firsts = text[1:][text[:-1] == line_end].bincount(minlength=len(self.vocabulary))
        starts = firsts.argsort(descending=True, stable=True)[: self.num_samples]
        ids = torch.stack([torch.full_like(starts, line_end), starts], dim=1)  # (num_samples, 2)
        while ids.shape[1] <= SAMPLE_LENGTH:
            prompt = ids[:, -max(1, self.length // 2) :]
            room = max(1, min(self.length - prompt.shape[1], SAMPLE_LENGTH + 1 - ids.shape[1]))
            ids = torch.cat([ids, learner.generate(Batch(inputs=TokenBatch(prompt)), max_length=room)[0]], dim=1)
        return ["".join(self.vocabulary.symbols[i] for i in row[1:]) for row in ids.tolist()]


def exact_losses(outputs: Tensor, batch: Batch) -> Tensor:
    """Logits (B, T, vocab) -> losses in nats (B * T,) float64. Over tens of thousands of words `cross_entropy` adds up
    in an order whose rounding, always to the same side, shows in the fifth digit; `logsumexp` does not."""
    assert batch.targets is not None
    logits, targets = outputs.float().flatten(0, 1), batch.targets.flatten()
    return logits.logsumexp(dim=1).double() - logits.gather(1, targets[:, None])[:, 0].double()


def perplexity(nats: float) -> dict[str, float]:
    """e to the mean loss; infinite where that is beyond floating point."""
    return {"perplexity": math.exp(nats) if nats < 700 else math.inf, "cross_entropy": nats}


def bits(nats: float) -> dict[str, float]:
    """The mean loss in both units."""
    return {"cross_entropy": nats, "bits_per_character": nats / math.log(2)}


def load_shakespeare(data: Data, *, path: str, length: int, carry: bool, samples: int) -> TextTask:
    """One file in three: the last tenth is the test split, as published, the first twentieth validation, and what lies
    between is training, so that the test split follows on training text as in the published protocol. Only the first
    character of each isn't predicted. Raises NoData for a bad file."""
    text = read_text(data.path(path))
    vocabulary = Vocabulary.of(text)
    train, test = int(len(text) * 0.05), int(len(text) * 0.9)
    ids = torch.tensor([vocabulary.numbers[symbol] for symbol in text])
    texts = {"train": ids[train:test], "val": ids[:train], "test": ids[test:]}
    return TextTask(
        vocabulary=vocabulary, texts=texts, length=length, carry=carry, anywhere=True, figures=bits,
        num_samples=samples, device=data.device,
    )  # fmt: skip


def load_words(data: Data, *, files: Mapping[str, str], length: int, carry: bool) -> TextTask:
    """A corpus of words, one file per split. Raises NoData for bad files."""
    vocabulary, texts = read_splits(data, files, words_of)
    return TextTask(
        vocabulary=vocabulary, texts=texts, length=length, carry=carry, figures=perplexity, device=data.device
    )


def load_characters(data: Data, *, files: Mapping[str, str], length: int, carry: bool) -> TextTask:
    """The same corpus by characters. Raises NoData for bad files."""
    vocabulary, texts = read_splits(data, files, characters_of)
    return TextTask(vocabulary=vocabulary, texts=texts, length=length, carry=carry, figures=bits, device=data.device)
