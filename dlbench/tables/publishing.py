"""Records and leaderboards as others may see them: no host names, no absolute paths, no logs, no sampled texts."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..contract.sets import folders_of
from ..data.root import default_cache, default_root
from ..errors import UsageError
from ..integrity import (
    SUMS,
    VERIFICATIONS,
    Verification,
    altered,
    cut,
    missing,
    read_sums,
    said_missing,
    sha256,
    sums_text,
)
from ..records.shards import picture_at
from ..results import Record, json_text, load_by_suite, read_record, slug, write_json, write_text
from . import leaderboard
from .groups import named
from .provenance import mixtures, provenance

PICTURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=+-]{0,239}\.png")
LONGEST_NAME = 60
LONGEST_TEXT = 20_000
"""The search for paths takes time by the square of it."""
HOMES = ("home", "Users")
ROOT = r"(?:file://)?(?:~[\w.-]*[/\\]+|[A-Za-z]:[/\\]+|/(?=[^\s/'\"]))"
INNER = r"(?! -| [~/])[^/\\\n'\"<>|~]"
FOLDER = rf"(?:{INNER})*(?![:;,=\s]){INNER}[/\\]+"
BARE = re.compile(rf"(?<![\w./~])(?:(?=/|file:){ROOT}(?:{FOLDER})+|(?!/|file:){ROOT}(?:{FOLDER})*)[\w.@+-]*")
QUOTED = re.compile(
    rf"""(?<!\w)(?P<quote>['"])(?P<key>(?:[\w-]+=)?)(?P<path>{ROOT}(?:'"'"'|\\'|(?!(?P=quote))[^\n])*)(?P=quote)"""
)


@dataclass
class Change:
    """What publishing does to a folder. `records`: what stands there afterwards, by square; `replaced`: what stood
    there before in place of newer ones; `older`: what was to be published and isn't newer than what stands there."""

    records: dict[str, Record] = field(default_factory=dict)
    added: list[Record] = field(default_factory=list)
    replaced: list[Record] = field(default_factory=list)
    older: list[Record] = field(default_factory=list)
    same: int = 0


def publish(by_suite: dict[str, list[Record]], target: Path, gallery: Path | None = None, *, mixed: bool = False) -> (
    dict[Path, Change]
):  # fmt: skip
    """Merge records into `target/SUITE/MACHINE/{leaderboard.csv,metrics.csv,PROVENANCE.json,SHA256SUMS,records/}`. What
    was published there before stays, unless a newer record stands for the same square. `gallery`: the results folder
    whose pictures are published too, of the first seed of each row, in `pictures/`.

    Raises UsageError, before anything is written, where what stands in a folder was changed or can't be read, where a
    record doesn't say on which machine it ran, and, unless `mixed`, where several versions of a task, protocols or
    machines would stand in one leaderboard."""
    folders: dict[Path, dict[str, Record]] = {}
    pictures: dict[Path, Path] = {}
    for suite, records in by_suite.items():
        for record in records:
            folder = target / _folder(suite) / _folder(_machine_of(record))
            public = Record({**scrubbed(record.body), "suite": suite})
            shown = record.get("pictures") or []
            for what in ("samples", "pictures"):  # they may be the data set's, whose licence may forbid it
                public.body.pop(what, None)
            if gallery and shown and _is_first(record, records):
                hung = {_hung_name(file, record): _picture(gallery, file, folder.relative_to(target)) for file in shown}
                public.body["pictures"] = [*hung]
                pictures |= {folder / "pictures" / name: file for name, file in hung.items()}
            squares = folders.setdefault(folder, {})
            if (other := squares.get(square_of(public))) is None or _age(other) <= _age(public):
                squares[square_of(public)] = public
    changes = {folder: _merged(folder, squares) for folder, squares in sorted(folders.items())}
    for folder, change in changes.items():
        if not mixed and (found := mixtures(change.records.values())):
            raise UsageError(
                f"{folder} would show in one leaderboard {'; '.join(found)}: run the others again, publish to another "
                "folder, or give --mixed"
            )
    for picture, source in pictures.items():
        picture.parent.mkdir(parents=True, exist_ok=True)
        if source.resolve() != picture.resolve():
            shutil.copyfile(source, picture)
    for folder, change in changes.items():
        _write(folder, change, getattr(by_suite, "verifications", ()))
    return changes


def _merged(folder: Path, incoming: dict[str, Record]) -> Change:
    """What a folder is to hold; raises UsageError where something there that would stay was changed or can't be
    read. What an interrupted publication left is put right by doing it again."""
    sums, problems = read_sums(folder)
    change, names, stood = Change(), {record.name for record in incoming.values()}, set[str]()
    for path in sorted((folder / "records").glob("*.json")):
        try:
            data = path.read_bytes()
            record = read_record(path)
        except (OSError, ValueError) as error:
            problems += [str(error)] * (path.stem not in names)
            continue
        square = square_of(record)
        new = incoming.get(square)
        if new is not None and _age(new) >= _age(record):
            stood.add(square)
            _take_over(new, record, change)
            continue
        change.older += [new] if new is not None else []
        if (why := altered(path, data, sums)) is not None:
            problems.append(f"{path} {why}")
        pair = sorted([record, *([change.records[square]] if square in change.records else [])], key=_age)
        change.records[square], change.replaced = pair[-1], [*change.replaced, *pair[:-1]]
    problems += [said_missing(folder, name) for name in missing(folder, sums) if name not in names]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UsageError(
            f"nothing is published: {problems[0]}{more}; restore what was published, or take it away first"
        )
    fresh = {square: record for square, record in incoming.items() if square not in change.records}
    change.added = [record for square, record in fresh.items() if square not in stood]
    change.records |= fresh
    return change


def _take_over(new: Record, old: Record, change: Change) -> None:
    """Let a record stand where another stood; one that is the same keeps its published pictures."""
    if "pictures" in old.body and (old.name, _age(old)) == (new.name, _age(new)):
        new.body.setdefault("pictures", old["pictures"])
    if old.body == new.body:
        change.same += 1
    else:
        change.replaced.append(old)


def _write(folder: Path, change: Change, verifications: Iterable[Verification]) -> None:
    """The records, then their checksums, then what is made of them: a crash between leaves no record lost."""
    names = {record.name for record in change.records.values()}
    for record in change.records.values():
        path = folder / "records" / f"{record.name}.json"
        text = json_text(record.body)
        if not path.exists() or path.read_bytes() != text.encode():
            write_text(path, text)
    write_sums(folder, names)
    for old in (folder / "records").glob("*.json"):
        if old.stem not in names:
            old.unlink()
    _take_down(folder, change)
    for found in verifications:
        copy = folder / VERIFICATIONS / found.file.name
        if found.names <= names and not copy.exists():
            write_text(copy, found.file.read_text(encoding="utf-8"))
    write_json(folder / "PROVENANCE.json", provenance(change.records.values()))
    write_tables(folder)


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """The checksums of a folder's records."""
    files = {f"records/{name}.json": folder / "records" / f"{name}.json" for name in names}
    write_text(folder / SUMS, sums_text({file: sha256(path.read_bytes()) for file, path in files.items()}))


def write_tables(folder: Path) -> None:
    """The two tables of a published folder, made of what it holds."""
    found = load_by_suite(folder)
    leaderboard.write_csv(leaderboard.rows(found), folder / "leaderboard.csv")
    leaderboard.write_csv(leaderboard.metrics(found), folder / "metrics.csv")


def _take_down(folder: Path, change: Change) -> None:
    """Remove the pictures of records that were replaced, unless another record shows them."""
    shown = {name for record in change.records.values() for name in record.get("pictures") or []}
    for name in {name for record in change.replaced for name in record.get("pictures") or []} - shown:
        if PICTURE.fullmatch(name):
            (folder / "pictures" / name).unlink(missing_ok=True)


def rows_of(records: Iterable[Record]) -> list[str]:
    """The rows of these records with their seeds: `digits x mlp (10 epochs), seeds 0, 1 and profile`."""
    rows: dict[str, list[Record]] = {}
    for record in records:
        model, task = (named(record[what]["name"], record[what]["options"]) for what in ("model", "task"))
        treatment = (record.get("treatment") or {}).get("name", "")
        variant = f" ({record['variant']})" if record.get("variant") else ""
        rows.setdefault(f"{task} x {model}{f' under {treatment}' * bool(treatment)}{variant}", []).append(record)
    lines = []
    for row, mine in rows.items():
        seeds = sorted(record["seed"] for record in mine if not record.is_profile)
        what = [f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"] if seeds else []
        lines.append(f"{row}, {' and '.join([*what, *['profile'] * (len(seeds) < len(mine))])}")
    return lines


def _age(record: Record) -> str:
    return str(record.get("created") or "")


def _folder(text: str) -> str:
    """The name of a folder for a suite or a machine: never one that leads elsewhere or is hidden."""
    return slug(text).lstrip(".")[:LONGEST_NAME] or "unnamed"


def _machine_of(record: Record) -> str:
    if not (machine := record["environment"].get("machine")):
        raise UsageError(f"nothing is published: {record.name} doesn't say on which machine it ran")
    return str(machine)


def _is_first(record: Record, records: list[Record]) -> bool:
    """Whether no record of the same row has a smaller seed."""
    who = ("type", "task", "model", "treatment", "variant", "runtime")
    row = [record.get(key) for key in who]
    return all(record["seed"] <= other["seed"] for other in records if [other.get(key) for key in who] == row)


def _picture(gallery: Path, file: str, place: Path) -> Path:
    """A record's picture in a results folder or a published one; raises UsageError."""
    if not PICTURE.fullmatch(file):
        raise UsageError(f"nothing is published: {cut(ascii(file))} can't be the name of a picture")
    found = [picture_at(folder / "pictures", file) for folder in (gallery, gallery / place, gallery / place.name)]
    for path in found:
        if path.is_file() and not path.is_symlink():
            return path
    raise UsageError(f"nothing is published: the picture {found[0]} is missing; without --keep pictures none is needed")


def _hung_name(file: str, record: Record) -> str:
    """What a published picture is called: it says what it shows."""
    model, task = (named(record[what]["name"], record[what]["options"]) for what in ("model", "task"))
    which, treatment = Path(file).stem.rpartition("--")[2], (record.get("treatment") or {}).get("name", "")
    parts = (task, model, treatment, record.get("variant") or "", which)
    return "--".join(slug(part)[:LONGEST_NAME] for part in parts if part) + ".png"


def square_of(record: Record) -> str:
    """What a record stands for in its table: two records of the same square are old and new."""
    keys = ("type", "suite", "variant", "seed")
    who = [[record[what]["name"], record[what]["options"]] for what in ("model", "task")]
    runtime = {**record["runtime"], "device": record["runtime"]["device"].partition(":")[0]}
    return json.dumps([who, record.get("treatment"), [record.get(key) for key in keys], runtime], sort_keys=True)


def scrubbed(value: Any) -> Any:
    """The value with every absolute path in its texts cut down to its last part, and this host's name left out. Where
    a folder's name has blanks and no quotes stand around, what belongs to the path can't be known: rather too much is
    cut than too little."""
    if isinstance(value, str):
        text = cut(value, LONGEST_TEXT)
        if "/" in text or "\\" in text:
            text = QUOTED.sub(lambda m: m["quote"] + m["key"] + _last(m["path"]) + m["quote"], _without_roots(text))
            text = BARE.sub(lambda m: _last(m[0]), text)
        host = platform.node()
        return re.sub(rf"\b{re.escape(host)}\b", "HOST", text) if len(host) > 3 else text
    if isinstance(value, dict):
        return {scrubbed(key): scrubbed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item) for item in value]
    return value


def _last(path: str) -> str:
    """The last part of a path; of a home folder, whose name is a person's, nothing."""
    parts = [part for part in re.split(r"[/\\]+", path) if part]
    return "~" if len(parts) > 1 and parts[-2] in HOMES else parts[-1]


def _without_roots(text: str) -> str:
    """The folders that are known here become `~`, whatever stands in their names."""
    home = os.path.expanduser("~")
    roots = {home, os.path.abspath(".")} - {"/", "~"}
    for place in (default_root, default_cache):
        with contextlib.suppress(UsageError):  # of a user without a home
            roots |= {os.path.abspath(folder) for folder in folders_of(place())}
    for root in sorted(roots, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(root)}(?![\w.-])", "~", text)
    account = os.path.basename(home.rstrip("/"))
    return re.sub(rf"(?<![\w./-]){re.escape(account)}/", "", text) if len(account) > 1 else text  # of a relative path
