"""Knowledge graphs from text files: a triple in each line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from dlbench import NoData
from dlbench.data import Data
from dlbench.data.splits import SPLITS

from .links import LinkTask

Names = tuple[str, str, str]


def link_files(data: Data, train: str, val: str, test: str, *, separator: str = "\t") -> LinkTask:
    """A task `KnowledgeGraph -> Links` on three text files, below the data root or absolute, each line of which has a
    head, a relation and a tail. Entities and relations are numbered by name over all three. Raises NoData for a line
    that isn't such a triple, or that stands twice."""
    paths = dict(zip(SPLITS, (train, val, test), strict=True))
    found = {split: read_triples(data.path(path), separator) for split, path in paths.items()}
    first: dict[Names, str] = {}
    for split, triples in found.items():
        for number, triple in triples.items():
            place = f"line {number} of {paths[split]}"
            if triple in first:
                raise NoData(f"{place} repeats {first[triple]}: {' '.join(triple)}")
            first[triple] = place
    return named({split: list(triples.values()) for split, triples in found.items()}, data.device)


def read_triples(path: Path, separator: str = "\t") -> Mapping[int, Names]:
    """The triples of a file by the number of their line, from 1; empty lines are passed over."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise NoData(f"{path.name} isn't text in UTF-8 (byte {error.start})") from error
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        parts = [part.strip() for part in line.split(separator)]
        if len(parts) != 3 or not all(parts):
            raise NoData(f"line {number} of {path.name} isn't a head, a relation and a tail: {line[:80]!r}")
        found[number] = (parts[0], parts[1], parts[2])
    if not found:
        raise NoData(f"{path.name} holds no triples")
    return found


def named(splits: Mapping[str, list[Names]], device: str = "cpu") -> LinkTask:
    """The task on triples of names."""
    every = [triple for triples in splits.values() for triple in triples]
    entities = sorted({name for head, _, tail in every for name in (head, tail)})
    relations = sorted({relation for _, relation, _ in every})
    of_entity, of_relation = ({name: i for i, name in enumerate(names)} for names in (entities, relations))
    numbered = {
        split: torch.tensor([(of_entity[head], of_relation[name], of_entity[tail]) for head, name, tail in triples]).T
        for split, triples in splits.items()
    }
    return LinkTask(numbered, entities=entities, relations=relations, device=device)
