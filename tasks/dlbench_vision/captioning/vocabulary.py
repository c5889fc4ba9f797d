"""Words and their ids. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

PADDING, UNKNOWN, START, END = range(4)
SPECIAL = ("<pad>", "<unk>", "<start>", "<end>")


class Vocabulary:
    """Four special tokens, then these words."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = (*SPECIAL, *words)
        self._ids = {word: number for number, word in enumerate(self.words[len(SPECIAL) :], start=len(SPECIAL))}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def encode(self, words: Iterable[str]) -> list[int]:
        """Ids, UNKNOWN for words outside."""
        return [self._ids.get(word, UNKNOWN) for word in words]

    def decode(self, ids: Sequence[int]) -> str:
        """The words of these ids, blanks between them."""
        return " ".join(self.words[number] for number in ids)
