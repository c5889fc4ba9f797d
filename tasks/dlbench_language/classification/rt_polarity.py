"""`rt_polarity`: sentences from film reviews, half of them positive, in ten folds.

Pang and Lee 2005, "Seeing Stars: Exploiting Class Relationships for Sentiment Categorization with Respect to Rating
Scales". There is no official split; ten-fold cross-validation is customary (Kim 2014, "Convolutional Neural Networks
for Sentence Classification").
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold

from dlbench import UsageError
from dlbench.data import Data
from dlbench.data.splits import stratified_split

from ..lines import read_lines
from .sentences import Labelled, SentenceClasses

FOLDER = "text/rt-polarity"
NUM_FOLDS = 10
SEED = 5


def load(data: Data, *, folds: int, **words: Any) -> SentenceClasses:
    """`folds`: how many of the ten are used. `words`: what `SentenceClasses` is told of its vocabulary. Raises
    UsageError for a number that isn't in 1 .. 10, NoData for broken files."""
    if not 1 <= folds <= NUM_FOLDS:
        raise UsageError(f"rt_polarity has ten folds, of which 1 to 10 can be used, not {folds}")
    found = read(data)

    def fold(index: int, **more: Any) -> SentenceClasses:
        return SentenceClasses(split(found, index), num_classes=2, device=data.device, **words, **more)

    return fold(0, folds=fold)


def read(data: Data) -> Labelled:
    """All sentences: first the negative ones, class 0, then the positive ones, class 1."""
    found = Labelled([], [])
    for label, name in enumerate(("rt-polarity.neg", "rt-polarity.pos")):
        # str.split also parts words at the Latin-1 ellipsis, as the usual count of 224,048 words does
        sentences = [line.lower().split() for line in read_lines(data.path(f"{FOLDER}/{name}"), encoding="latin-1")]
        found.sentences += sentences
        found.labels += [label] * len(sentences)
    return found


def split(found: Labelled, index: int) -> dict[str, Labelled]:
    """The fold is the test split; a tenth of the rest, in equal parts of both classes, is validation."""
    labels = np.array(found.labels)
    parts = StratifiedKFold(NUM_FOLDS, shuffle=True, random_state=SEED).split(labels, labels)
    rest, test = list(parts)[index]
    size = len(rest) // 10
    val, train = stratified_split(labels[rest], (size, len(rest) - size), seed=SEED)
    return {"train": found.take(rest[train]), "val": found.take(rest[val]), "test": found.take(test)}
