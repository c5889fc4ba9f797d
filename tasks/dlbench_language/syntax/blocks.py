"""Files with a word per line and an empty line after each sentence; dependencies of a CoNLL-U file. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dlbench import NoData

from ..lines import place, read_lines

Edge = tuple[int, int, str]
"""Head, dependent and the relation of the dependent to its head; words are counted from 0."""
NAME = "# sent_id = "
COLUMNS = 10
ID, FORM, HEAD, RELATION = 0, 1, 6, 7


@dataclass
class Block:
    """The rows of a sentence, each with its line, and the sentence's name where the file gives one."""

    name: str = ""
    rows: list[tuple[int, list[str]]] = field(default_factory=list)

    @property
    def line(self) -> int:
        """Of the first word."""
        return self.rows[0][0]

    def column(self, number: int) -> list[str]:
        return [columns[number] for _, columns in self.rows]


@dataclass(frozen=True)
class Tree:
    """The words of a sentence and the edges between them."""

    words: list[str]
    edges: list[Edge]


def read_blocks(path: Path, *, named: bool = True) -> Iterator[Block]:
    """Columns between tabs. `named`: lines that start with `#` are comments, and one of each sentence gives its
    `sent_id`; else a `#` is a word. Raises NoData naming the line where a sentence lacks its name, and where the file
    holds no sentences."""
    block, found = Block(), 0
    for number, line in enumerate([*read_lines(path, blank=True), ""], start=1):
        if named and line.startswith("#"):
            block.name = line.removeprefix(NAME).strip() if line.startswith(NAME) else block.name
        elif line.strip():
            block.rows.append((number, line.split("\t")))
        elif block.rows:
            if named and not block.name:
                raise NoData(f"{place(path, block.line)} starts a sentence without a line {NAME!r} before it")
            yield block
            block, found = Block(), found + 1
    if not found:
        raise NoData(f"{path.parent.name}/{path.name} holds no sentences: fetch it again")


def checked(path: Path, number: int, columns: list[str], count: int) -> list[str]:
    """The columns of a row. Raises NoData naming the line unless they are `count`, none of them empty."""
    if len(columns) != count:
        raise NoData(f"{place(path, number)} has {len(columns)} columns between tabs: it needs {count}")
    if "" in columns:
        raise NoData(f"{place(path, number)} has an empty column")
    return columns


def read_trees(path: Path) -> dict[str, Tree]:
    """The words and the basic dependencies of each sentence of a CoNLL-U file, by its `sent_id`. Ranges of words (3-4)
    and words that were left out (5.1) don't count. A root has no edge: the word that hangs on 0, of which a sentence
    may have several. Raises NoData naming the line where the columns aren't ten, and where a head is no word of the
    sentence or the word itself."""
    trees = {}
    for block in read_blocks(path):
        rows = [
            (number, checked(path, number, columns, COLUMNS))
            for number, columns in block.rows
            if "-" not in columns[ID] and "." not in columns[ID]
        ]
        edges = []
        for word, (number, columns) in enumerate(rows):
            head = int(columns[HEAD]) - 1 if columns[HEAD].isdecimal() else len(rows)
            if head >= len(rows) or head == word:
                raise NoData(f"{place(path, number)} has the head {columns[HEAD]!r}, which is no other word there")
            if head >= 0:
                edges.append((head, word, columns[RELATION]))
        trees[block.name] = Tree([columns[FORM] for _, columns in rows], edges)
    return trees
