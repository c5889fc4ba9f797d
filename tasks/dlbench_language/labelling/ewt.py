"""`ewt_pos`: the part of speech of each word of the English Web Treebank.

Silveira et al. 2014, "A Gold Standard Dependency Corpus for English"; tags and format are those of Universal
Dependencies (de Marneffe, Manning, Nivre and Zeman 2021, "Universal Dependencies").
"""

from __future__ import annotations

from pathlib import Path

from dlbench import NoData, unknown
from dlbench.data import Data

from ..lines import place, read_lines
from .tagged import Tagged, TaggedSentences, Treatment

FOLDER = "text/ud-english-ewt"
PARTS = {"train": "train", "val": "dev", "test": "test"}
NUM_COLUMNS = 10
ID, FORM = 0, 1
COLUMNS = {"upos": 3, "xpos": 4}


def load(data: Data, *, tags: str, lower: bool, word_dropout: float, bucket: bool) -> TaggedSentences:
    """`tags`: `upos`, 17 of them for all languages, or `xpos`, the Penn Treebank's 49. `lower`: a word stands for all
    that differ from it in case alone; its characters keep it. Raises UsageError for other tags."""
    if tags not in COLUMNS:
        raise unknown("set of tags of ewt_pos", tags, COLUMNS)
    splits = {
        split: read(data.path(f"{FOLDER}/en_ewt-ud-{part}.conllu.gz"), COLUMNS[tags]) for split, part in PARTS.items()
    }
    treatment = Treatment(
        normal=str.lower if lower else str, characters=True, word_dropout=word_dropout, bucket=bucket
    )  # fmt: skip
    return TaggedSentences(splits, treatment, device=data.device)


def read(path: Path, column: int) -> Tagged:
    """Words and the tags of one column of a CoNLL-U file: ten columns between tabs, an empty line between sentences,
    comments after `#`. Ranges of words (3-4) and words that were left out (5.1) don't count. Raises NoData naming the
    line where the columns aren't ten or a word or tag is missing."""
    found = Tagged([[]], [[]])
    for number, line in enumerate(read_lines(path, blank=True), start=1):
        if not line.strip():
            if found.sentences[-1]:
                found.sentences.append([])
                found.tags.append([])
            continue
        if line.startswith("#"):
            continue
        columns = line.split("\t")
        if len(columns) != NUM_COLUMNS:
            raise NoData(
                f"{place(path, number)} has {len(columns)} columns: a word of a CoNLL-U file has ten, between tabs"
            )
        if "-" in columns[ID] or "." in columns[ID]:
            continue
        word, tag = columns[FORM], columns[column]
        if not word or tag in ("", "_"):
            raise NoData(f"{place(path, number)} lacks the word or its tag in column {column + 1}")
        found.sentences[-1].append(word)
        found.tags[-1].append(tag)
    if not found.sentences[-1]:
        found.sentences.pop()
        found.tags.pop()
    if not found.sentences:
        raise NoData(f"{path.parent.name}/{path.name} holds no sentences: fetch it again")
    return found
