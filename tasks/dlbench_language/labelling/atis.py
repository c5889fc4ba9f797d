"""`atis_slots`: what the words of questions about flights stand for.

Hemphill, Godfrey and Doddington 1990, "The ATIS Spoken Language Systems Pilot Corpus"; the split and the slots are
those of Goo et al. 2018, "Slot-Gated Modeling for Joint Slot Filling and Intent Prediction".
"""

from __future__ import annotations

import re
from pathlib import Path

from dlbench import NoData
from dlbench.data import Data

from ..lines import place, read_lines
from .chunks import chunk_f1
from .tagged import Tagged, TaggedSentences, Treatment

FOLDER = "text/atis"
PARTS = {"train": "train", "val": "valid", "test": "test"}
DIGIT = re.compile("[0-9]")


def load(data: Data, *, digits_to_zero: bool, word_dropout: float, bucket: bool) -> TaggedSentences:
    """`digits_to_zero`: a word stands for all that differ from it in their digits alone."""
    splits = {
        split: read(data.path(f"{FOLDER}/{part}/seq.in"), data.path(f"{FOLDER}/{part}/seq.out"))
        for split, part in PARTS.items()
    }
    treatment = Treatment(
        normal=(lambda word: DIGIT.sub("0", word)) if digits_to_zero else str,
        characters=False,
        word_dropout=word_dropout,
        bucket=bucket,
    )
    return TaggedSentences(splits, treatment, score=chunk_f1, device=data.device)


def read(words_path: Path, tags_path: Path) -> Tagged:
    """An utterance per line, and its slots in the same line of the other file. Raises NoData where they don't fit
    together or where a label isn't `O`, `B-` or `I-` with a slot."""
    words, tags = ([line.split() for line in read_lines(path)] for path in (words_path, tags_path))
    if len(words) != len(tags):
        raise NoData(
            f"{place(tags_path, len(tags))} is the last, but {words_path.name} has {len(words)} lines: "
            "they must be of the same edition"
        )
    for number, (said, labels) in enumerate(zip(words, tags, strict=True), start=1):
        if len(said) != len(labels):
            raise NoData(
                f"{place(tags_path, number)} has {len(labels)} labels for the {len(said)} words in {words_path.name}: "
                "every word needs one"
            )
        for label in labels:
            if label != "O" and not (label.startswith(("B-", "I-")) and len(label) > 2):
                raise NoData(f"{place(tags_path, number)}: {label!r} is no label: it must be O, B-SLOT or I-SLOT")
    return Tagged(words, tags)
