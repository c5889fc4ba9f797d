"""`propbank_roles`: who did what to whom, given the predicate.

Palmer, Gildea and Kingsbury 2005, "The Proposition Bank: An Annotated Corpus of Semantic Roles", on the sentences of
the English Web Treebank (Silveira et al. 2014) and their trees.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlbench import NoData, UsageError
from dlbench.data import Data

from ..labelling.tagged import Treatment
from ..lines import place
from .blocks import Block, Edge, Tree, checked, read_blocks, read_trees
from .edges import check, chosen
from .entities import PARTS, SEED, TREEBANK
from .marking import with_markers
from .sentences import Sentence
from .tagging import SpanTags

PROPBANK = "text/ewt-propbank/ewt-srl-{}.tsv.gz"
NUMBER, FORM, SENSE, FIRST = 0, 1, 2, 3
ITSELF = ("B-V", "I-V")
PREDICATE = "<v>"


@dataclass(frozen=True)
class Proposition:
    """A predicate, the place of its word, and the tag of each word of its sentence; the predicate's own is `O`."""

    predicate: int
    tags: list[str]


def load(data: Data, *, edges: str, num_train: int, treatment: Treatment) -> SpanTags:
    """`num_train`: so many of the training predicates, drawn once; 0: all of them."""
    check(edges)
    if num_train < 0:
        raise UsageError(f"num_train must be at least 0, not {num_train}")
    counts = {"train": num_train, "val": 0, "test": 0}
    splits = {split: sentences(data, part, edges, counts[split]) for split, part in PARTS.items()}
    return SpanTags(splits, treatment, marks=1, device=data.device)


def sentences(data: Data, part: str, edges: str, count: int = 0) -> list[Sentence]:
    """A sentence for each predicate, or for `count` of them, with a marker before its word."""
    trees, draw = read_trees(data.path(TREEBANK.format(part))), random.Random(SEED)
    path = data.path(PROPBANK.format(part))
    found = []
    for block, propositions in read_propositions(path):
        words = block.column(FORM)
        joined = chosen(edges, _tree(path, block, trees).edges, len(words), draw)
        found += [(words, joined, each) for each in propositions]
    if count:
        found = random.Random(SEED).sample(found, min(count, len(found)))
    return [_marked(*each) for each in found]


def _marked(words: list[str], edges: list[Edge], proposition: Proposition) -> Sentence:
    place = proposition.predicate
    marks = [int(word == place) for word in range(len(words))]
    return with_markers(Sentence(words, edges, marks, proposition.tags), [(place, PREDICATE, place)])


def read_propositions(path: Path) -> Iterator[tuple[Block, list[Proposition]]]:
    """Each sentence and its propositions: lines of number, word, sense or `_`, and a column of tags for each sense, in
    order. Raises NoData naming the line where columns are missing or too many, or where a tag isn't `O`, `B-` or `I-`
    with a role."""
    for block in read_blocks(path):
        predicates = [word for word, (_, columns) in enumerate(block.rows) if columns[SENSE : SENSE + 1] != ["_"]]
        count = FIRST + len(predicates)
        for number, columns in block.rows:
            for tag in checked(path, number, columns, count)[FIRST:]:
                if tag != "O" and not (tag.startswith(("B-", "I-")) and len(tag) > 2):
                    raise NoData(f"{place(path, number)}: {tag!r} is no tag: it must be O, B-ROLE or I-ROLE")
        yield (
            block,
            [
                Proposition(word, ["O" if tag in ITSELF else tag for tag in block.column(FIRST + column)])
                for column, word in enumerate(predicates)
            ],
        )


def _tree(path: Path, block: Block, trees: dict[str, Tree]) -> Tree:
    tree = trees.get(block.name)
    if tree is None or len(tree.words) != len(block.rows):
        raise NoData(f"{place(path, block.line)}: the treebank has no sentence {block.name} with so many words")
    return tree
