"""`trec`: what a question asks for, in 6 classes or in 50.

Li and Roth 2002, "Learning Question Classifiers".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dlbench import NoData
from dlbench.data import Data
from dlbench.data.splits import stratified_split

from ..lines import place, read_lines
from .sentences import Labelled, SentenceClasses

FOLDER = "text/trec"
COARSE = ("DESC", "ENTY", "ABBR", "HUM", "LOC", "NUM")
SEED = 5


def load(data: Data, *, fine: bool, **words: Any) -> SentenceClasses:
    """The published test set is the test split. A tenth of the published training set is validation, drawn in
    proportion to the six classes, so that it is the same for the fifty, some of which have a handful of questions."""
    path = data.path(f"{FOLDER}/TREC.train")
    train = read(path)
    test = read(data.path(f"{FOLDER}/TREC.test"), known={label for label, _ in train})
    classes = sorted({label for label, _ in train}) if fine else list(COARSE)
    found = {"train": _labelled(train, classes, fine), "test": _labelled(test, classes, fine)}
    size = len(train) // 10
    coarse = [COARSE.index(label.partition(":")[0]) for label, _ in train]
    val, rest = stratified_split(coarse, (size, len(train) - size), seed=SEED)
    splits = {"train": found["train"].take(rest), "val": found["train"].take(val), "test": found["test"]}
    return SentenceClasses(splits, num_classes=len(classes), device=data.device, **words)


def read(path: Path, known: set[str] | None = None) -> list[tuple[str, list[str]]]:
    """The class `COARSE:fine` and the words of each question. Raises NoData naming the line where the coarse class is
    none of the six, the fine one none of the `known`, or words are missing."""
    found = []
    for number, line in enumerate(read_lines(path, encoding="latin-1"), start=1):
        label, *words = line.split()
        coarse, _, fine = label.partition(":")
        if coarse not in COARSE or not fine or (known is not None and label not in known):
            wanted = "a class of the training set" if known is not None else f"{' '.join(COARSE)}, a colon and more"
            raise NoData(f"{place(path, number)} starts with the unknown class {label!r}: it must be {wanted}")
        if not words:
            raise NoData(f"{place(path, number)} has a class but no words")
        found.append((label, [word.lower() for word in words]))
    return found


def _labelled(found: list[tuple[str, list[str]]], classes: list[str], fine: bool) -> Labelled:
    numbers = {name: number for number, name in enumerate(classes)}
    return Labelled(
        [words for _, words in found], [numbers[label if fine else label.partition(":")[0]] for label, _ in found]
    )
