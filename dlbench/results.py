"""Records: one JSON file per cell or profile, written atomically, found again by name.

A results folder holds `records/NAME.json`, `logs/NAME.log`, where asked `pictures/NAME--PICTURE.png`, and, for
each suite that ran, `suites/SUITE.json`: which record stands for which square of the grid. The last is how an edited
model never shows old numbers: its new records take the squares over. A folder of many records has subfolders (see
`records.shards`), and what was read of them is remembered (see `records.memory`).

The body of a record (all times in seconds, all sizes in bytes):

    schema, name, type ("cell" | "profile"), created (UTC), dlbench, protocol, command, suite, variant
    seed (None in a profile)
    model   {name, options (text), family, digest, plugin, plugin_version}
    task    {name, options (text), version, digest, unit, folds, metric {name, unit, higher_is_better}, floor, bound,
             reference {value, source} | None, data ("embedded" | "verified" | "unverified" | "missing"), data_digest,
             metrics [{name, unit, higher_is_better}]}
    recipe  {flat settings}     layers {key: layer}     runtime {device, precision, compile, channels_last, threads}
    versions {package: version}     inputs {files {name below a root: sha256}}     square (of the suite's grid)
    Where several devices train a cell together, runtime has their number as `devices`, and `shard` if they divide it.
    It has `compile_mode`, `matmul_precision` and `cuda_graph` where they were given, and a cell `replayed_steps` where
    it has the last one.
    status, reason (one sentence), where (FILE:LINE in FUNCTION), flags [..], limits {timeout_s, memory_bytes}
    tuned {over {key: range}, sampler, trials, seeds, metric, scores (on validation), chosen {key: value}, edge [key],
           study (a file)} (only where the recipe was tuned; `suites/SUITE.json` has it for the square)
    treatment {name, keys of the recipe that it is about} (only where recipes are compared)
    fault ("core": dlbench or its installation failed, not the cell, so it never counts as done; else absent)
    environment {machine (slug), cpu, gpu, torch, python, ...}

of a cell, where it got so far:
    metrics {split: {metric: value}}     fold_metrics [{split: {metric: value}}]     params
    curves  [[{step, epoch, examples, seconds, flops, loss, val {metric: value}}]] (one curve per fold)
    phases  {setup_s, first_step_s, compile_s, train_s, eval_s, device_start_s (CUDA)}     epochs, steps, examples
    selected_step, test_examples, content_digest (of generated data)
    checksums {name: sha256 of what the task made and judges by}
    samples [a text that the task keeps] (only where it keeps some)
    members [{metric: value} of each on test] (only of a learner made of learners)
    pictures [a file in pictures/ that shows what the task drew] (only where that was asked)
    together {seeds, equal ("up to rounding" | "in distribution"), probe {steps, alone_step_s, together_step_s}} (only
             of seeds that trained as one; its flag says so too, and its times are shares of theirs)
    global_state [a setting of the process that a plugin changed] (only where one did)

of a profile:
    profile {protocol {..}, launches [{..}, one dict per fresh process as `dlbench.measure.profile` returns it]}
"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from .integrity import NAME, SUMS, Verification, altered, missing, parsed, read_sums, said_missing, verifications
from .integrity import SCHEMA as SCHEMA
from .integrity import STATUSES as STATUSES
from .records import shards
from .records.memory import FEW, Memory, Stamp, is_settled, stamp_of
from .records.record import Record as Record
from .records.record import is_done as is_done
from .records.writing import json_text as json_text
from .records.writing import write_json as write_json
from .records.writing import write_text as write_text


class BySuite(dict[str, list[Record]]):
    """Records by suite; in `problems` a sentence for each file that belongs among them and can't be read; and what
    others verified of published ones."""

    def __init__(self, records: Mapping[str, list[Record]] | None = None, problems: Iterable[str] = ()) -> None:
        super().__init__(records or {})
        self.problems = [*problems]
        self.verifications: list[Verification] = []


class Results:
    """A results folder. `problems` collects a sentence for each file in it that can't be read. `cache`: where what was
    read of a large folder is remembered; None: nowhere."""

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        self.root, self.cache = Path(root), cache
        self.problems: list[str] = []

    @cached_property
    def _memory(self) -> Memory | None:
        """None for a folder of few records."""
        many = shards.is_split(self.root) or sum(1 for _ in shards.files_in(self.root / shards.RECORDS)) > FEW
        return Memory(self.root, self.cache) if many else None

    def load(self, name: str) -> Record | None:
        """The record of this name; None if there is none or its file can't be read."""
        return self._read(self.path_of(name), name)

    def _read(self, path: Path | str, name: str, stat: os.stat_result | None = None) -> Record | None:
        try:
            if self._memory is None:
                return read_record(Path(path))
            stamp = stamp_of(stat or os.stat(path))
            known = self._memory.get(name, stamp)
            if known is None:
                settled, record = is_settled(stamp), read_record(Path(path), many=True)
                if not settled:
                    return record
                known = self._memory.put(name, stamp, record.body, record.facts)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._problem(str(error))
            return None
        return Record(*known, partial(_whole, path, stamp), shards.shard_in(path))

    def scan(self) -> dict[str, Record]:
        """The records of all files, by the file's name. What can't be read is a problem."""
        with _uncollected():
            return self._scan()

    def _scan(self) -> dict[str, Record]:
        found = {}
        for entry in shards.files_in(self.root / shards.RECORDS):
            name = entry.name.removesuffix(".json")
            try:
                stat = entry.stat() if self._memory else None
            except OSError:
                continue
            if (record := self._read(entry.path, name, stat)) is not None:
                found[name] = record
        if self._memory is not None:
            self._memory.save(found)
        return found

    def find(self, names: Collection[str]) -> dict[str, Record]:
        """The records of these names that are there and can be read."""
        if len(names) > FEW:
            found = self.scan()
            return {name: found[name] for name in names if name in found}
        return {name: record for name in names if (record := self.load(name)) is not None}

    def path_of(self, name: str) -> Path:
        """Where a record's file lies, or will."""
        return shards.place_of(self.root, shards.RECORDS, name, ".json")

    def save(self, record: Record) -> Path:
        """Write a record: temporary name, fsync, rename."""
        path = self.path_of(record.name)
        write_json(path, record.body)
        self.remember(record.name, path, record)
        return path

    def remember(self, name: str, path: Path, record: Record) -> None:
        """This record has just been written to its file."""
        if self._memory is not None:
            self._memory.put(name, stamp_of(os.stat(path)), record.head, record.facts)

    def make_room(self, more: int) -> None:
        """Before many records are written: no folder gets more than a few thousand files."""
        if not shards.is_split(self.root):
            there = sum(1 for _ in shards.files_in(self.root / shards.RECORDS))
            if there + more > shards.FLAT:
                shards.split(self.root)
                self.__dict__.pop("_memory", None)

    def log_path(self, name: str) -> Path:
        return shards.place_of(self.root, "logs", name, ".log")

    def pictures_path(self, name: str) -> Path:
        """What the files of a record's pictures begin with: `--NAME.png` follows."""
        return shards.place_of(self.root, "pictures", name, "")

    def suites(self) -> list[str]:
        """The suites that ran here."""
        return sorted(path.stem for path in (self.root / "suites").glob("*.json"))

    def squares(self, suite: str) -> dict[str, str]:
        """The grid of a suite: square -> name of the record that stands for it now. An index that can't be read is
        made again from the records."""
        return self._index(suite)[0]

    def assign(self, suite: str, squares: dict[str, str], tuned: Mapping[str, dict[str, Any]] | None = None) -> None:
        """Let these records stand for these squares; the suite's other squares keep theirs, also those that another
        process assigns at the same moment. `tuned`: how the recipes of some of them were found."""
        self.make_room(len(squares))
        with self._lock():
            known, before = self._index(suite)
            kept = {square: how for square, how in before.items() if square not in squares}
            self._write_index(suite, {**known, **squares}, {**kept, **(tuned or {})})

    def forget(self, squares: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Take these squares (suite -> square -> name of the record that stood there) out of the grids, and remove the
        files of the records that no other square of any suite uses: returns their names. A square that another record
        has taken over in the meantime stays. Grids come first, so that a crash leaves no square without its record."""
        with self._lock():
            gone: set[str] = set()
            for suite, named in squares.items():
                known, tuned = self._index(suite)
                out = {square for square, name in named.items() if known.get(square) == name}
                gone |= {known[square] for square in out}
                self._write_index(suite, {s: n for s, n in known.items() if s not in out},
                                  {s: how for s, how in tuned.items() if s not in out})  # fmt: skip
            used = {name for suite in self.suites() for name in self.squares(suite).values()}
            for name in gone - used:
                self._remove(name)
        return sorted(gone - used)

    def _remove(self, name: str) -> None:
        """The files of a record: pictures and log first, as they are found by it."""
        for path in [*shards.pictures_of(self.root, name), self.log_path(name), self.path_of(name)]:
            path.unlink(missing_ok=True)

    def _write_index(self, suite: str, squares: dict[str, str], tuned: dict[str, dict[str, Any]]) -> None:
        index = {"schema": SCHEMA, "suite": suite, "squares": squares, **({"tuned": tuned} if tuned else {})}
        write_json(self.root / "suites" / f"{suite}.json", index)

    def records(self, suite: str) -> list[Record]:
        """The records that stand for a suite's squares, those that exist."""
        return [record for _, record in self.placed(suite)]

    def placed(self, suite: str, found: Mapping[str, Record] | None = None) -> list[tuple[str, Record]]:
        """The suite's squares whose records exist, with the record as it stands there: it may have been made for
        another suite, variant or tuning. `found`: the folder's records, where they have been read."""
        squares, tuned = self._index(suite)
        found = self.find([*squares.values()]) if found is None else found
        placed = []
        for square, name in squares.items():
            if (record := found.get(name)) is not None:
                grid = json.loads(square)
                place = {"suite": suite, "variant": grid.get("variant", record.get("variant") or "")}
                place |= {"treatment": grid["treatment"]} if "treatment" in grid else {}
                place |= {"tuned": tuned[square]} if square in tuned else {}
                placed.append((square, record.placed(place)))
        return placed

    def everything(self) -> BySuite:
        """The records that stand for the squares of all suites, and what in the folder can't be read."""
        found = self.scan()
        by_suite = {suite: [record for _, record in self.placed(suite, found)] for suite in self.suites()}
        return BySuite(by_suite, self.problems)

    def _index(self, suite: str) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """The suite's squares, and how the recipes of those that were tuned were found."""
        path = self.root / "suites" / f"{suite}.json"
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            squares, tuned = index["squares"], index.get("tuned", {})
            if not isinstance(squares, dict) or not all(_is_square(*pair) for pair in squares.items()):
                raise ValueError
            if not isinstance(tuned, dict) or not all(isinstance(how, dict) for how in tuned.values()):
                raise ValueError
            return squares, tuned
        except FileNotFoundError:
            return {}, {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._problem(f"{path} can't be read; the suite's grid was made again from the records")
            return self._index_of_records(suite)

    def _index_of_records(self, suite: str) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        mine = sorted((r for r in self.scan().values() if r["suite"] == suite), key=lambda r: str(r.get("created")))
        placed = {str(r["square"]): r for r in mine if r.get("square")}
        tuned = {square: r["tuned"] for square, r in placed.items() if isinstance(r.get("tuned"), dict)}
        return {square: r.name for square, r in placed.items()}, tuned

    def _problem(self, text: str) -> None:
        if text not in self.problems:
            self.problems.append(text)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Held by one process at a time, on whichever machine, where the file system knows locks."""
        import fcntl

        (self.root / "suites").mkdir(parents=True, exist_ok=True)
        with open(self.root / "suites" / ".lock", "w") as file:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def load_by_suite(path: Path, cache: Path | None = None) -> BySuite:
    """The records under a path, by suite: a results folder, a published folder (with or without its suites above), or
    one record's file. Raises FileNotFoundError where there are none. `cache`: where what was read of a large results
    folder is remembered."""
    if path.is_file():
        record = read_record(path, read_sums(path.parent.parent)[0] if path.parent.name == "records" else None)
        return BySuite({record["suite"]: [record]})
    results = Results(path, cache)
    if results.suites():
        found = results.everything()
        if not any(found.values()) and not found.problems:
            raise FileNotFoundError(f"there are no records under {path}")
        return found
    found = BySuite()
    for folder in published_under(path):
        records, problems = read_published(folder)
        verified, unread = verifications(folder, read_sums(folder)[0])
        found.problems += [*problems, *unread]
        found.verifications += verified
        for record in records:
            found.setdefault(record["suite"], []).append(record)
    if not found:
        raise FileNotFoundError("; ".join(found.problems) or f"there are no records under {path}")
    return found


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without passes over what there is: records have no cycles, and each pass would look at all that were read."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _is_square(square: str, name: Any) -> bool:
    """Whether a square of an index can be one, and stands for a record: a name is also that of files to remove."""
    return isinstance(name, str) and NAME.fullmatch(name) is not None and isinstance(json.loads(square), dict)


def published_under(path: Path) -> list[Path]:
    """The folders at or under a path that hold records, or the checksums of some."""
    folders = (path / shards.RECORDS, *path.rglob(shards.RECORDS))
    holding = [folder for folder in folders if any(shards.files_in(folder))]
    return sorted({file.parent for file in (*holding, *path.rglob(SUMS))})


def read_records(paths: Iterable[Path]) -> tuple[list[Record], list[str]]:
    """The records in these files, and a sentence for each that can't be read."""
    records, problems = [], []
    for path in paths:
        try:
            records.append(read_record(path))
        except (OSError, ValueError) as error:
            problems.append(str(error))
    return records, problems


def _whole(path: Path | str, stamp: Stamp) -> dict[str, Any]:
    """The body of a record's file that was read before."""
    body = read_record(Path(path)).body
    if stamp_of(os.stat(path)) != stamp:
        raise OSError(errno.ESTALE, "it has changed since it was read", str(path))
    return body


def read_record(path: Path, sums: Mapping[str, set[str]] | None = None, *, many: bool = False) -> Record:
    """Read one record's file, of `many`; raises ValueError, with a sentence that names the file, where it isn't one
    that this version can use, or has another checksum than the published ones."""
    try:
        data = path.read_bytes()
        if (why := altered(path, data, sums)) is not None:
            raise ValueError(why)
        return Record(parsed(data, many=many))
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None


def read_published(folder: Path) -> tuple[list[Record], list[str]]:
    """The records of a folder that holds `records/`, and a sentence for each that is no record, is missing, or isn't
    what was published there."""
    sums, problems = read_sums(folder)
    records = []
    for path in sorted(Path(entry.path) for entry in shards.files_in(folder / shards.RECORDS)):
        try:
            records.append(read_record(path, sums))
        except (OSError, ValueError) as error:
            problems.append(str(error))
    return records, [*problems, *(said_missing(folder, name) for name in missing(folder, sums))]


def now() -> str:
    """The time in UTC, as records carry it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def slug(text: str) -> str:
    """Letters, digits, dots and dashes only, for file names."""
    return re.sub(r"[^A-Za-z0-9.=]+", "-", text).strip("-")
