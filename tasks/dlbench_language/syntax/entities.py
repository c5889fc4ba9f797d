"""Names in texts: `uner` on the English Web Treebank and its trees, `wnut17` on posts without.

Mayhew et al. 2024, "Universal NER: A Gold-Standard Multilingual Named Entity Recognition Benchmark"; Silveira et al.
2014, "A Gold Standard Dependency Corpus for English"; Derczynski et al. 2017, "Results of the WNUT2017 Shared Task on
Novel and Emerging Entity Recognition".
"""

from __future__ import annotations

import random
from pathlib import Path

from dlbench import NoData
from dlbench.data import Data

from ..labelling.tagged import Treatment
from ..lines import place
from .blocks import Block, Tree, checked, read_blocks, read_trees
from .edges import WITHOUT_TREES, check, chosen
from .sentences import Sentence
from .tagging import SpanTags

TREEBANK = "text/ud-english-ewt/en_ewt-ud-{}.conllu.gz"
UNER = "text/ewt-uner/ewt-ner-{}.iob2.gz"
PARTS = {"train": "train", "val": "dev", "test": "test"}
WNUT = {
    "train": "text/wnut17/wnut17train.conll.gz", "val": "text/wnut17/emerging.dev.conll.gz",
    "test": "text/wnut17/emerging.test.annotated.gz",
}  # fmt: skip
SEED = 16  # of shuffled trees


def load_uner(data: Data, *, edges: str, treatment: Treatment) -> SpanTags:
    """`edges`: see `edges.chosen`. The few sentences whose words differ from the treebank's have no edges of a tree."""
    check(edges)
    draw = random.Random(SEED)
    splits = {}
    for split, part in PARTS.items():
        trees = read_trees(data.path(TREEBANK.format(part)))
        splits[split] = [
            _sentence(words, tags, trees.get(name), edges, draw)
            for name, words, tags in read_tagged(data.path(UNER.format(part)))
        ]
    return SpanTags(splits, treatment, device=data.device)


def load_wnut17(data: Data, *, edges: str, treatment: Treatment) -> SpanTags:
    """`edges`: `chain` or `none`, as there are no trees."""
    check(edges, WITHOUT_TREES)
    draw = random.Random(SEED)
    splits = {
        split: [_sentence(words, tags, None, edges, draw) for _, words, tags in read_tagged(data.path(path), bare=True)]
        for split, path in WNUT.items()
    }
    return SpanTags(splits, treatment, device=data.device)


def read_tagged(path: Path, *, bare: bool = False) -> list[tuple[str, list[str], list[str]]]:
    """Name, words and tags of each sentence: lines of number, word and tag, or with `bare`, where sentences have no
    names, of word and tag. Raises NoData naming the line where one is missing or a tag isn't `O`, `B-` or `I-` with a
    type."""
    return [(block.name, *_columns(path, block, 2 if bare else 3)) for block in read_blocks(path, named=not bare)]


def _columns(path: Path, block: Block, count: int) -> tuple[list[str], list[str]]:
    for number, columns in block.rows:
        tag = checked(path, number, columns, count)[-1]
        if tag != "O" and not (tag.startswith(("B-", "I-")) and len(tag) > 2):
            raise NoData(f"{place(path, number)}: {tag!r} is no tag: it must be O, B-TYPE or I-TYPE")
    return block.column(-2), block.column(-1)


def _sentence(words: list[str], tags: list[str], tree: Tree | None, edges: str, draw: random.Random) -> Sentence:
    found = tree.edges if tree is not None and tree.words == words else []
    return Sentence(words, chosen(edges, found, len(words), draw), tags=tags)
