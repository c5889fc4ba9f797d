"""`sst2` and `sst5`: the Stanford Sentiment Treebank, sentences of film reviews in two or in five classes.

Socher et al. 2013, "Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank". The two classes
leave out neutral sentences.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dlbench import NoData
from dlbench.data import Data

from ..lines import place, read_lines
from .sentences import Labelled, SentenceClasses

FOLDER = "text/sst"
NAMES = {2: "binary", 5: "fine"}
PARTS = {"train": "train", "val": "dev", "test": "test"}
NEUTRAL = 2


def load(data: Data, *, num_classes: int, phrases: bool, **words: Any) -> SentenceClasses:
    """`phrases`: train on all phrases of the training trees; validation and test stay whole sentences."""
    splits = {
        split: read_sentences(data.path(f"{FOLDER}/stsa.{NAMES[num_classes]}.{part}"), num_classes)
        for split, part in PARTS.items()
    }
    if phrases:
        splits["train"] = read_phrases(data.path(f"{FOLDER}/trees/train.txt.gz"), num_classes)
    return SentenceClasses(splits, num_classes=num_classes, device=data.device, **words)


def read_sentences(path: Path, num_classes: int) -> Labelled:
    """Lines of a class, a blank and the words. Raises NoData naming the line where it is something else."""
    found = Labelled([], [])
    for number, line in enumerate(read_lines(path), start=1):
        label, *words = line.lower().split()
        if label not in [str(known) for known in range(num_classes)] or not words:
            raise NoData(f"{place(path, number)} must hold a class 0 .. {num_classes - 1} and words, not {line[:40]!r}")
        found.sentences.append(words)
        found.labels.append(int(label))
    return found


def read_phrases(path: Path, num_classes: int) -> Labelled:
    """Every different phrase with its class, in the order of the trees; with two classes, neutral ones are left out."""
    seen: dict[tuple[tuple[str, ...], int], None] = {}
    for number, line in enumerate(read_lines(path), start=1):
        for words, label in _phrases(line, place(path, number)):
            if num_classes == 5:
                seen[words, label] = None
            elif label != NEUTRAL:
                seen[words, int(label > NEUTRAL)] = None
    return Labelled([list(words) for words, _ in seen], [label for _, label in seen])


def _phrases(line: str, where: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """The words under each node of a bracketed tree, lower-cased as in the files of sentences, and its class."""
    words: list[str] = []
    opened: list[tuple[int, int]] = []  # (place of the first word, class)
    tokens = iter(line.replace("(", " ( ").replace(")", " ) ").split())
    for token in tokens:
        if token == "(":
            label = next(tokens, "")
            if label not in ("0", "1", "2", "3", "4"):
                raise NoData(f"{where}: a bracket must open with a class 0 .. 4, not {label!r}")
            opened.append((len(words), int(label)))
        elif token == ")" and opened:
            start, known = opened.pop()
            if start == len(words):
                raise NoData(f"{where}: a bracket holds no words")
            yield tuple(words[start:]), known
        elif token != ")" and opened:
            words.append(token.lower())
        else:
            raise NoData(f"{where}: the brackets don't match at {token!r}")
    if opened:
        raise NoData(f"{where}: {len(opened)} brackets are never closed")
