"""Text files as token numbers: characters or words, under a vocabulary that the training text closes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dlbench import NoData
from dlbench.data import Data

from ..lines import place, read_lines

EOS = "<eos>"  # closes each line


def words_of(line: str) -> list[str]:
    """A line's words, which only blanks separate, and the token that closes it. An empty line has this one alone."""
    return [*(word for word in line.split(" ") if word), EOS]


def characters_of(line: str) -> list[str]:
    """A line's characters, with `_` for a blank, and the token that closes it. Blanks around the line don't count.

    This is how the character-level Penn Treebank (Mikolov et al. 2012, "Subword Language Modeling with Neural
    Networks") follows from the word-level one: `<unk>` is spelled out.
    """
    return [*line.strip(" ").replace(" ", "_"), EOS]


@dataclass(frozen=True)
class Vocabulary:
    """The symbols of a training text, most frequent first, equally frequent ones by the alphabet."""

    symbols: tuple[str, ...]
    numbers: Mapping[str, int]

    @classmethod
    def of(cls, tokens: Iterable[str]) -> Vocabulary:
        counts = Counter(tokens)
        symbols = tuple(sorted(counts, key=lambda symbol: (-counts[symbol], symbol)))
        return cls(symbols, {symbol: number for number, symbol in enumerate(symbols)})

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, lines: Iterable[list[str]], path: Path) -> Tensor:
        """Token numbers (N + 1,) int64: the end of a line, then the N of the file's lines. Raises NoData at the first
        symbol that isn't known."""
        numbers = [self.numbers[EOS]]
        for number, line in enumerate(lines, start=1):
            try:
                numbers += [self.numbers[symbol] for symbol in line]
            except KeyError as error:
                raise NoData(
                    f"{place(path, number)}: {error.args[0]!r} is not in the training text, whose vocabulary is "
                    "closed; use the files of one edition"
                ) from None
        return torch.tensor(numbers, dtype=torch.int64)


def read_splits(
    data: Data, files: Mapping[str, str], tokens_of: Callable[[str], list[str]]
) -> tuple[Vocabulary, dict[str, Tensor]]:
    """The vocabulary of the training file, and each split's tokens (N + 1,), of which the first, the end of a line,
    only is there so that every token of the file is predicted once. Raises NoData."""
    paths = {split: data.path(file) for split, file in files.items()}
    lines = {split: [tokens_of(line) for line in read_lines(path, blank=True)] for split, path in paths.items()}
    vocabulary = Vocabulary.of(token for line in lines["train"] for token in line)
    return vocabulary, {split: vocabulary.encode(lines[split], paths[split]) for split in files}
