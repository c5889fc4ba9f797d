"""How words are spelled, as numbers: a table with a row for every form, so that a batch only picks rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

UNKNOWN = 1
LONGEST = 20


class Spellings:
    """`table` (forms + 1, W) holds the characters of each form that occurs anywhere, cut after `longest` of them and
    filled up with 0; row 0 is padding. Characters are those of the `known` forms, numbered from 2 on; 1 is any other.
    `characters`: how many numbers there are.
    """

    def __init__(
        self, known: Sequence[str], others: Sequence[str] = (), *, longest: int = LONGEST, device: str = "cpu"
    ) -> None:
        alphabet = sorted({character for form in known for character in form})
        numbers = {character: number for number, character in enumerate(alphabet, start=UNKNOWN + 1)}
        forms = list(dict.fromkeys([*known, *others]))
        self.longest = min(longest, max(map(len, forms)))
        self.characters = UNKNOWN + 1 + len(alphabet)
        self.rows = {form: row for row, form in enumerate(forms, start=1)}
        table = np.zeros((1 + len(forms), self.longest), dtype=np.int64)
        for form, row in self.rows.items():
            spelled = [numbers.get(character, UNKNOWN) for character in form[: self.longest]]
            table[row, : len(spelled)] = spelled
        self.table = torch.from_numpy(table).to(device)

    def encode(self, words: Sequence[str]) -> list[int]:
        """The row of each word."""
        return [self.rows[word] for word in words]

    def width_of(self, words: Sequence[str]) -> int:
        """How many places the longest of these words takes."""
        return min(self.longest, max(map(len, words)))
