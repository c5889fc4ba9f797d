"""A dictionary of names: the usual floor of named entity recognition.

Tjong Kim Sang and De Meulder 2003, "Introduction to the CoNLL-2003 Shared Task: Language-Independent Named Entity
Recognition": the baseline answers the names that training shows, the longest where several fit. There names of two
types are left out; here they get the more frequent one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dlbench import Batch, Learner, Optimizers, TokenBatch

FACTOR = 6364136223846793005  # of a linear congruential generator (Knuth), odd
Phrase = tuple[int, ...]


class Dictionary(Learner):
    """Answers, from left to right, the longest phrase that is a name in training, with its most frequent type, of equal
    ones that which the training split shows first, and `O` elsewhere. A word is its spelling, case included, where
    tokens come with it, else its number.

    `tags`: `O`, `B-` and `I-` with types. Training counts; there is no gradient step, there are no parameters, and the
    loss is 0.
    """

    def __init__(self, *, tags: Sequence[str]) -> None:
        super().__init__()
        self.tags = list(tags)
        self.kinds = sorted({tag[2:] for tag in tags if tag != "O"})
        self.names: dict[Phrase, dict[int, tuple[int, int]]] = defaultdict(dict)  # of each type: how often, where first

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        assert batch.targets is not None
        words = self._sentences(batch.inputs)
        examples = [0] * len(words) if batch.index is None else batch.index.tolist()
        for example, sentence, tags in zip(examples, words, batch.targets.tolist(), strict=True):
            for kind, start, end in self._spans(tags[: len(sentence)]):
                kinds = self.names[tuple(sentence[start:end])]
                count, first = kinds.get(kind, (0, example))
                kinds[kind] = (count + 1, min(first, example))
        return batch.targets.new_zeros((), dtype=torch.float32)

    def predict(self, inputs: TokenBatch) -> Tensor:
        """Logits (B, T, num_classes): 1 for the answer, 0 for the rest."""
        answers = torch.full(inputs.ids.shape, self._number("O"), dtype=torch.int64)
        longest = max(map(len, self.names), default=0)
        for row, sentence in enumerate(self._sentences(inputs)):
            place = 0
            while place < len(sentence):
                size, kind = self._match(sentence[place : place + longest])
                for step in range(size):
                    answers[row, place + step] = self._number(f"{'I' if step else 'B'}-{self.kinds[kind]}")
                place += max(size, 1)
        return torch.nn.functional.one_hot(answers, len(self.tags)).float().to(inputs.ids.device)

    def get_extra_state(self) -> Tensor:
        """A row for each name and type: how often, where first, the type, the size, and the words, filled up with 0."""
        longest = max(map(len, self.names), default=0)
        rows = [
            [count, first, kind, len(name), *name, *[0] * (longest - len(name))]
            for name, kinds in self.names.items()
            for kind, (count, first) in kinds.items()
        ]
        return torch.tensor(rows, dtype=torch.int64).reshape(-1, 4 + longest)

    def set_extra_state(self, state: Tensor) -> None:
        self.names = defaultdict(dict)
        for count, first, kind, size, *words in state.tolist():
            self.names[tuple(words[:size])][kind] = (count, first)

    def _match(self, words: Sequence[int]) -> tuple[int, int]:
        """How many of the first of these words are a name, and of which type; 0 where they are none."""
        for size in range(len(words), 0, -1):
            kinds = self.names.get(tuple(words[:size]))
            if kinds:
                return size, min(kinds, key=lambda kind: (-kinds[kind][0], kinds[kind][1]))
        return 0, 0

    def _spans(self, tags: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """Type, first place and the place after the last of each span of a row; -1 is no tag."""
        start, kind = 0, ""
        for place, tag in enumerate([*tags, -1]):
            prefix, _, name = self.tags[tag].partition("-") if tag >= 0 else ("O", "", "")
            if kind and (prefix != "I" or name != kind):
                yield self.kinds.index(kind), start, place
                kind = ""
            if prefix != "O" and not kind:
                start, kind = place, name

    def _number(self, tag: str) -> int:
        """Of a tag; a span's first word is answered as its others where training has no `B-` of its type."""
        return self.tags.index(tag) if tag in self.tags else self.tags.index(f"{'BI'[tag[0] == 'B']}{tag[1:]}")

    def _sentences(self, inputs: TokenBatch) -> list[list[int]]:
        """A number for each word of each sentence."""
        words = inputs.ids
        if inputs.characters is not None:
            powers = torch.tensor(_powers(inputs.characters.shape[2]), device=words.device)
            words = (inputs.characters * powers).sum(dim=2)
        sizes = [words.shape[1]] * len(words) if inputs.lengths is None else inputs.lengths.tolist()
        return [row[:size] for row, size in zip(words.tolist(), sizes, strict=True)]


def _powers(count: int) -> list[int]:
    """Of FACTOR, as signed numbers of 64 bits."""
    found, power = [], 1
    for _ in range(count):
        power = power * FACTOR % 2**64
        found.append(power - 2**64 if power >= 2**63 else power)
    return found
