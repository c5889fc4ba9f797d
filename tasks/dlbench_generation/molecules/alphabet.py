"""SMILES as numbers. No torch, no RDKit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

PADDING, START, END = range(3)
SPECIAL = ("<pad>", "<start>", "<end>")
TOKEN = re.compile(r"\[[^\[\]]*\]|Br|Cl|%\d\d|.", re.DOTALL)


def tokens_of(text: str) -> list[str]:
    """What a SMILES string is made of: atoms in brackets, `Cl`, `Br` and numbers of rings of two digits are one token
    each, everything else is a character. Joined, they are the string."""
    return TOKEN.findall(text)


class Alphabet:
    """Three special tokens, then those of the given strings in the order of their characters."""

    def __init__(self, texts: Iterable[str]) -> None:
        known = {token for text in texts for token in tokens_of(text)}
        self.tokens = (*SPECIAL, *sorted(known))
        self._ids = {token: number for number, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Ids from START to END. Raises KeyError for a token outside."""
        return [START, *(self._ids[token] for token in tokens_of(text)), END]

    def decode(self, ids: Sequence[int]) -> str | None:
        """What stands before the first END, without a START in front; None where there is no END, or where an id before
        it stands for no token of a string."""
        written = list(ids[1:] if len(ids) and ids[0] == START else ids)
        if END not in written:
            return None
        written = written[: written.index(END)]
        if not all(END < number < len(self.tokens) for number in written):
            return None
        return "".join(self.tokens[number] for number in written)
