"""Words and their ids. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

PADDING, UNKNOWN, START, END = range(4)
SPECIAL = ("<pad>", "<unk>", "<start>", "<end>")


class Vocabulary:
    """Four special tokens, then the words seen at least `min_count` times, the most frequent first; words as frequent
    in the order of the alphabet."""

    def __init__(self, sentences: Iterable[Sequence[str]], *, min_count: int) -> None:
        counts = Counter(word for sentence in sentences for word in sentence)
        for word in SPECIAL:
            counts.pop(word, None)  # a text that spells one out gets the special token's own id
        known = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        self.words = (*SPECIAL, *(word for _, word in known))
        self._ids = {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Iterable[str]) -> list[int]:
        """Ids, UNKNOWN for words outside."""
        return [self._ids.get(word, UNKNOWN) for word in words]

    def decode(self, ids: Iterable[int]) -> str:
        """The words of these ids, blanks between them."""
        return " ".join(self.words[number] for number in ids)
