"""Results folders of several machines -> one. What two of them have for the same square is taken where it is the same
record; where it isn't, neither is taken, and what the target has stays."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..records.shards import pictures_of
from ..results import Record, Results

Square = tuple[str, str]


@dataclass
class Claim:
    """That a folder's record, in this reading of its square (`tuned`), stands for a square."""

    results: Results
    record: Record
    tuned: Any

    def agrees(self, other: Claim) -> bool:
        """Whether both would leave the same in a folder."""
        return self.record.name == other.record.name and self.tuned == other.tuned and same_file(self, other)

    @property
    def text(self) -> str:
        where = (self.record.get("environment") or {}).get("machine") or "an unnamed machine"
        return f"{self.results.path_of(self.record.name)} ({self.record.status}, {self.record.get('created')}, {where})"


@dataclass
class Merged:
    """What was written (`copied` of `squares` were new to the target) and, of each square that was left out, its record
    and what is claimed for it."""

    squares: int = 0
    copied: int = 0
    conflicts: list[tuple[Record, list[Claim]]] = field(default_factory=list)


def merge(sources: Sequence[Results], target: Results) -> Merged:
    """Copy records, logs and pictures of the sources' squares to the target, and let them stand for the same squares
    there. What can't be read in a source is among its problems, and isn't copied."""
    claims: dict[Square, list[Claim]] = {}
    for results in (target, *sources):
        for square, claim in claims_of(results):
            claims.setdefault(square, []).append(claim)
    files = different_files(claims.values())
    merged, taken = Merged(), dict[Square, Claim]()
    for square, made in claims.items():
        first = made[0]
        if first.record.name in files or not all(first.agrees(other) for other in made[1:]):
            merged.conflicts.append((first.record, [*made, *files.get(first.record.name, ())]))
        elif first.results is not target:
            taken[square] = first
    names = {claim.record.name: claim for claim in taken.values()}
    target.make_room(len(names))
    for claim in names.values():
        merged.copied += copy(claim, target)
    os.sync()  # of all files together: the grids that name them come after
    for suite, squares in by_suite(taken).items():
        tuned = {square: claim.tuned for square, claim in squares.items() if claim.tuned}
        target.assign(suite, {square: claim.record.name for square, claim in squares.items()}, tuned)
    merged.squares = len(taken)
    return merged


def claims_of(results: Results) -> Iterable[tuple[Square, Claim]]:
    """The squares of a folder whose records are there."""
    found = results.scan()
    for suite in results.suites():
        for square, record in results.placed(suite, found):
            yield (suite, square), Claim(results, found[record.name], record.get("tuned"))


def different_files(claims: Iterable[Sequence[Claim]]) -> dict[str, list[Claim]]:
    """By name, the records of which two folders have different ones for different squares."""
    first: dict[str, Claim] = {}
    others: dict[str, list[Claim]] = {}
    for claim in (claim for made in claims for claim in made):
        known = first.setdefault(claim.record.name, claim)
        if known.results is not claim.results and not same_file(known, claim):
            others.setdefault(claim.record.name, []).append(claim)
    return others


def same_file(a: Claim, b: Claim) -> bool:
    mine, other = (claim.results.path_of(claim.record.name) for claim in (a, b))
    return a.results is b.results or filecmp.cmp(mine, other, shallow=False) or a.record == b.record


def copy(claim: Claim, target: Results) -> bool:
    """Copy a record's files where the target hasn't got them; returns whether the record was new."""
    name, source = claim.record.name, claim.results
    if (path := target.path_of(name)).exists():
        return False
    pictures = target.pictures_path(name).parent
    pairs = [(file, pictures / file.name) for file in pictures_of(source.root, name)]
    for old, new in [*pairs, (source.log_path(name), target.log_path(name)), (source.path_of(name), path)]:
        with contextlib.suppress(FileNotFoundError):  # no log was kept
            copy_file(old, new)
    target.remember(name, path, claim.record)
    return True


def copy_file(old: Path, new: Path) -> None:
    """A reader sees all of the copy or none."""
    temporary = new.with_name(f".{new.name}.{os.getpid()}")
    try:
        shutil.copyfile(old, temporary)
    except FileNotFoundError:
        if new.parent.is_dir():
            raise
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(old, temporary)
    os.replace(temporary, new)


def by_suite(taken: Mapping[Square, Claim]) -> dict[str, dict[str, Claim]]:
    found: dict[str, dict[str, Claim]] = {}
    for (suite, square), claim in taken.items():
        found.setdefault(suite, {})[square] = claim
    return found
