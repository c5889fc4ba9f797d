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

SCHEMA = 1
STATUSES = ("ok", "diverged", "oom", "timeout", "crashed", "failed", "no_data")
NEEDED: dict[str, type | tuple[type, ...]] = {
    "name": str, "type": str, "suite": str, "status": str, "recipe": dict, "model.name": str, "model.options": str,
    "task.name": str, "task.options": str, "task.version": str, "task.folds": int, "task.metric.name": str,
    "task.metric.unit": str, "task.metric.higher_is_better": bool, "runtime.device": str, "runtime.precision": str,
    "runtime.compile": bool, "runtime.channels_last": bool, "runtime.threads": int, "environment": dict,
}  # fmt: skip
"""What every reader relies on; everything else may be absent."""
COUNTS = ("seed", "params", "task.folds", "runtime.threads", "recipe.batch_size")
LARGEST_COUNT = 2**53


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
    """Records by suite, and in `problems` a sentence for each file that belongs among them and can't be read."""

    def __init__(self, records: Mapping[str, list[Record]] | None = None, problems: Iterable[str] = ()) -> None:
        super().__init__(records or {})
        self.problems = [*problems]


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
                body |= {"suite": suite, "variant": place["variant"]}
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
            if not isinstance(squares, dict) or not all(isinstance(name, str) for name in squares.values()):
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
        record = read_record(path)
        return BySuite({record["suite"]: [record]})
    results = Results(path)
    if results.suites():
        found = results.everything()
        if not any(found.values()) and not found.problems:
            raise FileNotFoundError(f"there are no records under {path}")
        return found
    records, problems = read_records(sorted(path.rglob("records/*.json")))
    by_suite: dict[str, list[Record]] = {}
    for record in records:
        by_suite.setdefault(record["suite"], []).append(record)
    if not by_suite:
        raise FileNotFoundError("; ".join(problems) or f"there are no records under {path}")
    return BySuite(by_suite, problems)


def unusable(body: dict[str, Any]) -> str | None:
    """Why this version can't use a record's body, as the end of a sentence that begins with its file; or None."""
    schema = body["schema"]
    if not isinstance(schema, int) or schema < SCHEMA:
        return f"is not a record of this version: its schema is {schema!r}, not {SCHEMA}"
    if schema > SCHEMA:
        return f"was written by a newer dlbench (schema {schema}): update dlbench to read it"
    for name, kind in NEEDED.items():
        if not isinstance(_at(body, name), kind):
            return f"is not a record: its {name!r} is missing or of another type"
    if Path(body["name"]).name != body["name"]:
        return f"is not a record: {body['name']!r} can't be its name"
    if body["status"] not in STATUSES:
        return f"is not a record: {body['status']!r} is no status"
    if body["type"] == "cell" and not isinstance(body.get("seed"), int):
        return "is not a record: a cell needs a seed"
    if body["type"] == "cell" and body["status"] == "ok" and not isinstance(_at(body, "metrics.test"), dict):
        return "is not a record: it is ok without metrics of the test split"
    for name in COUNTS:
        value = _at(body, name)
        if isinstance(value, (int, float)) and not abs(value) <= LARGEST_COUNT:
            return f"has a {name!r} that no table holds: {value}"
    return None


def _at(body: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


def read_records(paths: Iterable[Path]) -> tuple[list[Record], list[str]]:
    """The records in these files, and a sentence for each that can't be read."""
    records, problems = [], []
    for path in paths:
        try:
            records.append(read_record(path))
        except (OSError, ValueError) as error:
            problems.append(str(error))
    return records, problems


def read_record(path: Path) -> Record:
    """Read one record's file; raises ValueError, with a sentence that names the file, where it isn't one that this
    version can use."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a record: it isn't UTF-8") from None
    except json.JSONDecodeError as error:
        what = "it is empty" if path.stat().st_size == 0 else f"it breaks off or isn't JSON ({error})"
        raise ValueError(f"{path} is not a record: {what}") from None
    if not isinstance(body, dict) or "schema" not in body or "name" not in body:
        raise ValueError(f"{path} is not a record: it is other JSON")
    if (why := unusable(body)) is not None:
        raise ValueError(f"{path} {why}")
    return Record(body)


def write_json(path: Path, value: Any) -> None:
    """Write JSON as `write_text` writes."""
    write_text(path, json.dumps(value, indent=1, allow_nan=True))


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
