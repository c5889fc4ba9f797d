"""Records: one JSON file per cell or profile, written atomically, found again by name.

A results folder holds `records/NAME.json`, `logs/NAME.log`, where asked `pictures/NAME--PICTURE.png`, and, for
each suite that ran, `suites/SUITE.json`: which record stands for which square of the grid. The last is how an edited
model never shows old numbers: its new records take the squares over.

The body of a record (all times in seconds, all sizes in bytes):

    schema, name, type ("cell" | "profile"), created (UTC), dlbench, protocol, command, suite, variant
    seed (None in a profile)
    model   {name, options (text), family, digest, plugin, plugin_version}
    task    {name, options (text), version, digest, unit, folds, metric {name, unit, higher_is_better}, floor, bound,
             reference {value, source} | None, data ("embedded" | "verified" | "unverified" | "missing"), data_digest,
             metrics [{name, unit, higher_is_better}]}
    recipe  {flat settings}     layers {key: layer}     runtime {device, precision, compile, channels_last, threads}
    versions {package: version}     inputs {files {name below a root: sha256}}     square (of the suite's grid)
    status, reason (one sentence), where (FILE:LINE in FUNCTION), flags [..], limits {timeout_s, memory_bytes}
    tuned {over {key: range}, sampler, trials, seeds, metric, scores (on validation), chosen {key: value}, edge [key],
           study (a file)} (only where the recipe was tuned; `suites/SUITE.json` has it for the square)
    treatment {name, keys of the recipe that it is about} (only where recipes are compared)
    fault ("core": dlbench or its installation failed, not the cell, so it never counts as done; else absent)
    environment {machine (slug), cpu, gpu, torch, python, ...}

of a cell, where it got so far:
    metrics {split: {metric: value}}     fold_metrics [{split: {metric: value}}]     params
    curves  [[{step, epoch, examples, seconds, flops, loss, val {metric: value}}]] (one curve per fold)
    phases  {setup_s, first_step_s, compile_s, train_s, eval_s}     epochs, steps, examples, selected_step
    test_examples, content_digest (of generated data), checksums {name: sha256 of what the task made and judges by}
    samples [a text that the task keeps] (only where it keeps some)
    members [{metric: value} of each on test] (only of a learner made of learners)
    pictures [a file in pictures/ that shows what the task drew] (only where that was asked)
    global_state [a setting of the process that a plugin changed] (only where one did)

of a profile:
    profile {protocol {..}, launches [{..}, one dict per fresh process as `dlbench.measure.profile` returns it]}
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .integrity import NAME, SUMS, Verification, altered, missing, parsed, read_sums, said_missing, verifications
from .integrity import SCHEMA as SCHEMA
from .integrity import STATUSES as STATUSES


@dataclass(frozen=True)
class Record:
    """The immutable result of one cell or one profile. Fields that this version doesn't know are kept."""

    body: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.body["name"])

    @property
    def status(self) -> str:
        return str(self.body["status"])

    @property
    def is_profile(self) -> bool:
        return bool(self.body["type"] == "profile")

    def __getitem__(self, key: str) -> Any:
        return self.body[key]

    def get(self, key: str, default: Any = None) -> Any:
        return self.body.get(key, default)


def is_done(record: Record | None, limits: dict[str, Any]) -> bool:
    """Whether a cell needs no new run under today's limits (`timeout_s`, `memory_bytes`; None: no limit)."""
    if record is None or record.status == "no_data" or record.get("fault") == "core":
        return False
    if record.status in ("timeout", "oom"):
        key = "timeout_s" if record.status == "timeout" else "memory_bytes"
        then, now = (record.get("limits") or {}).get(key), limits.get(key)
        return then is None or (now is not None and now <= then)
    return True


class BySuite(dict[str, list[Record]]):
    """Records by suite; in `problems` a sentence for each file that belongs among them and can't be read; and what
    others verified of published ones."""

    def __init__(self, records: Mapping[str, list[Record]] | None = None, problems: Iterable[str] = ()) -> None:
        super().__init__(records or {})
        self.problems = [*problems]
        self.verifications: list[Verification] = []


class Results:
    """A results folder. `problems` collects a sentence for each file in it that can't be read."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.problems: list[str] = []

    def load(self, name: str) -> Record | None:
        """The record of this name; None if there is none or its file can't be read."""
        path = self.root / "records" / f"{name}.json"
        try:
            return read_record(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._problem(str(error))
            return None

    def save(self, record: Record) -> Path:
        """Write a record: temporary name, fsync, rename."""
        path = self.root / "records" / f"{record.name}.json"
        write_json(path, record.body)
        return path

    def log_path(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def pictures_path(self, name: str) -> Path:
        """What the files of a record's pictures begin with: `--NAME.png` follows."""
        return self.root / "pictures" / name

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
        pictures = self.pictures_path(name)
        files = [*pictures.parent.glob(f"{name}--*.png"), self.log_path(name), self.root / "records" / f"{name}.json"]
        for path in files:
            path.unlink(missing_ok=True)

    def _write_index(self, suite: str, squares: dict[str, str], tuned: dict[str, dict[str, Any]]) -> None:
        index = {"schema": SCHEMA, "suite": suite, "squares": squares, **({"tuned": tuned} if tuned else {})}
        write_json(self.root / "suites" / f"{suite}.json", index)

    def records(self, suite: str) -> list[Record]:
        """The records that stand for a suite's squares, those that exist."""
        return [record for _, record in self.placed(suite)]

    def placed(self, suite: str) -> list[tuple[str, Record]]:
        """The suite's squares whose records exist, with the record as it stands there: it may have been made for
        another suite, variant or tuning."""
        placed = []
        squares, tuned = self._index(suite)
        for square, name in squares.items():
            if (record := self.load(name)) is not None:
                place = json.loads(square)
                body = {k: v for k, v in record.body.items() if k not in ("tuned", "treatment")}
                body |= {"suite": suite, "variant": place.get("variant", record.get("variant") or "")}
                body |= {"treatment": place["treatment"]} if "treatment" in place else {}
                placed.append((square, Record({**body, **({"tuned": tuned[square]} if square in tuned else {})})))
        return placed

    def everything(self) -> BySuite:
        """The records that stand for the squares of all suites, and what in the folder can't be read."""
        by_suite = {suite: self.records(suite) for suite in self.suites()}
        for path in sorted((self.root / "records").glob("*.json")):
            try:
                read_record(path)
            except (OSError, ValueError) as error:
                self._problem(str(error))
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
        records, _ = read_records(sorted((self.root / "records").glob("*.json")))
        mine = sorted((r for r in records if r["suite"] == suite), key=lambda r: str(r.get("created")))
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


def load_by_suite(path: Path) -> BySuite:
    """The records under a path, by suite: a results folder, a published folder (with or without its suites above), or
    one record's file. Raises FileNotFoundError where there are none."""
    if path.is_file():
        record = read_record(path, read_sums(path.parent.parent)[0] if path.parent.name == "records" else None)
        return BySuite({record["suite"]: [record]})
    results = Results(path)
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


def _is_square(square: str, name: Any) -> bool:
    """Whether a square of an index can be one, and stands for a record: a name is also that of files to remove."""
    return isinstance(name, str) and NAME.fullmatch(name) is not None and isinstance(json.loads(square), dict)


def published_under(path: Path) -> list[Path]:
    """The folders at or under a path that hold records, or the checksums of some."""
    files = [*path.rglob("records/*.json"), *path.rglob(SUMS)]
    return sorted({file.parent if file.name == SUMS else file.parent.parent for file in files})


def read_records(paths: Iterable[Path]) -> tuple[list[Record], list[str]]:
    """The records in these files, and a sentence for each that can't be read."""
    records, problems = [], []
    for path in paths:
        try:
            records.append(read_record(path))
        except (OSError, ValueError) as error:
            problems.append(str(error))
    return records, problems


def read_record(path: Path, sums: Mapping[str, set[str]] | None = None) -> Record:
    """Read one record's file; raises ValueError, with a sentence that names the file, where it isn't one that this
    version can use, or has another checksum than the published ones."""
    try:
        data = path.read_bytes()
        if (why := altered(path, data, sums)) is not None:
            raise ValueError(why)
        return Record(parsed(data))
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None


def read_published(folder: Path) -> tuple[list[Record], list[str]]:
    """The records of a folder that holds `records/`, and a sentence for each that is no record, is missing, or isn't
    what was published there."""
    sums, problems = read_sums(folder)
    records = []
    for path in sorted((folder / "records").glob("*.json")):
        try:
            records.append(read_record(path, sums))
        except (OSError, ValueError) as error:
            problems.append(str(error))
    return records, [*problems, *(said_missing(folder, name) for name in missing(folder, sums))]


def write_json(path: Path, value: Any) -> None:
    """Write JSON as `write_text` writes."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """JSON as records are written."""
    return json.dumps(value, indent=1, allow_nan=True)


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the whole new one, also after a crash or on a full disk.
    Raises OSError with the file's name."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def now() -> str:
    """The time in UTC, as records carry it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def slug(text: str) -> str:
    """Letters, digits, dots and dashes only, for file names."""
    return re.sub(r"[^A-Za-z0-9.=]+", "-", text).strip("-")
