"""The words of a training split as numbers, and how a model meets unknown ones in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from dlbench import UsageError

PADDING, UNKNOWN = 0, 1


class Vocabulary:
    """Words seen at least `min_count` times, numbered by falling frequency from 2 on. 0 is padding, 1 any other word.

    `first_rare` is the number of the first word that was seen only once; those after it were seen once too.
    """

    def __init__(self, sentences: Iterable[Iterable[str]], *, min_count: int = 1) -> None:
        if min_count < 1:
            raise UsageError(f"min_count must be at least 1, not {min_count}")
        counts = Counter(word for sentence in sentences for word in sentence)
        self.words = sorted((w for w, n in counts.items() if n >= min_count), key=lambda word: (-counts[word], word))
        self.ids = {word: number for number, word in enumerate(self.words, start=UNKNOWN + 1)}
        self.first_rare = UNKNOWN + 1 + sum(counts[word] > 1 for word in self.words)

    def __len__(self) -> int:
        return UNKNOWN + 1 + len(self.words)

    def encode(self, words: Sequence[str]) -> list[int]:
        """The number of each word."""
        return [self.ids.get(word, UNKNOWN) for word in words]


def drop_rare(ids: Tensor, *, first_rare: int, rate: float, generator: torch.Generator) -> Tensor:
    """Replace words from number `first_rare` on by the unknown word, each with probability `rate`: so that it is
    trained on words as rare as those that it will stand for. `generator` is on the CPU; a new tensor comes back.

    On validation, half of the time was better than never, and than leaving such words out of the vocabulary: 76.0, 74.9
    and 74.8 % for `textcnn` on the first fold of `rt_polarity` (one seed); for slots it made no difference.
    """
    dropped = (torch.rand(ids.shape, generator=generator) < rate).to(ids.device)
    return ids.masked_fill(dropped & (ids >= first_rare), UNKNOWN)


def check_rate(rate: float) -> None:
    """Raises UsageError for a word dropout outside 0 .. 1."""
    if not 0 <= rate <= 1:
        raise UsageError(f"word_dropout must lie in 0 .. 1, not {rate}")
