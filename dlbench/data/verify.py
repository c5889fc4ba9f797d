"""Whether the files of a data set are there and hold what was published. No torch."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..contract.sets import DataFile, DataSet, at_hand, home_of
from ..errors import NoData

Stamp = tuple[int, int, int, int]
Entry = tuple[int, int, int, int, str]
FileStatus = Literal["verified", "differs", "missing"]
SetStatus = Literal["verified", "unverified", "missing"]
HASHES = "hashes.json"
SETTLED_NS = 2_000_000_000  # a file changed this recently might change again within one tick of its time stamp


@dataclass(frozen=True, kw_only=True)
class FileState:
    """One file as it is: `path` where it belongs on this machine, `bytes` and the actual `sha256` (both None where
    it is missing)."""

    file: DataFile
    path: Path
    status: FileStatus
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class SetState:
    """One data set as it is: what `dlbench data list` and `verify` show. `dataset`: the alternative that stands for it,
    where one does."""

    dataset: DataSet
    files: tuple[FileState, ...]

    @property
    def status(self) -> SetStatus:
        """`missing` if any file is, else `unverified` if any differs, else `verified`."""
        found = {file.status for file in self.files}
        return "missing" if "missing" in found else "unverified" if "differs" in found else "verified"

    @property
    def bytes(self) -> int:
        """The size of the files that are there."""
        return sum(file.bytes or 0 for file in self.files)

    @property
    def fetchable(self) -> bool:
        """Whether every missing file has an address."""
        return all(file.file.urls for file in self.files if file.status == "missing")

    def paths(self, status: FileStatus) -> list[str]:
        """The paths, relative to the data root, of the files in this state."""
        return [file.file.path for file in self.files if file.status == status]

    @property
    def summary(self) -> str:
        """One sentence on what is there and what is not."""
        name, count = self.dataset.name, len(self.files)
        if missing := self.paths("missing"):
            return f"{name}: {len(missing)} of {count} files missing, first {missing[0]}"
        if differing := self.paths("differs"):
            shown = f"{len(differing)} of {count} files without the published checksum, first {differing[0]}"
            return f"{name}: {shown}"
        return f"{name}: {count} of {count} files verified"


def state(dataset: DataSet, root: Path, cache: Path | None) -> SetState:
    """Look at every file of the set, or of the alternative that is at hand for it. `cache` is a folder that remembers
    checksums of unchanged files; None: hash everything anew."""
    dataset = at_hand(dataset, root)
    hashes, root = HashCache(cache), home_of(dataset, root)
    files = tuple(_file_state(file, root, hashes) for file in dataset.files)
    hashes.save()
    return SetState(dataset=dataset, files=files)


def digest(dataset: DataSet, root: Path, cache: Path | None) -> str:
    """One sha256 over the paths and actual contents of all files; raises NoData if one is missing. A verified
    alternative has that of the set itself: it holds the same."""
    found = state(dataset, root, cache)
    if found.status == "missing":
        raise NoData(found.summary)
    known = {file.file.path: file.sha256 for file in found.files}
    if found.status == "verified":
        known = {file.path: file.sha256 for file in dataset.files}
    lines = sorted(f"{path}\0{sha256}\n" for path, sha256 in known.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _file_state(file: DataFile, root: Path, hashes: HashCache) -> FileState:
    path = root / file.path
    if not path.is_file():
        return FileState(file=file, path=path, status="missing")
    try:
        actual = hashes.sha256(path)
    except OSError as error:
        raise NoData(f"can't read {file.path} of {root}: {error.strerror or error}") from error
    status: FileStatus = "verified" if actual == file.sha256 else "differs"
    return FileState(file=file, path=path, status=status, bytes=path.stat().st_size, sha256=actual)


class HashCache:
    """Checksums by absolute path, size, both times of change and inode, kept as one JSON file. A broken, unreadable or
    unwritable cache only costs hashing again."""

    def __init__(self, folder: Path | None) -> None:
        self.path = folder / HASHES if folder is not None else None
        self._known = self._read()
        self._new: dict[str, Entry] = {}

    def sha256(self, path: Path) -> str:
        """The file's sha256, remembered if nothing that an edit changes has changed since the last look: times that
        were put back leave their trace in the time of the inode's change."""
        key, stamp = str(path.absolute()), stamp_of(path)
        known = self._new.get(key) or self._known.get(key)
        if known is not None and known[:4] == stamp:
            return known[4]
        value = sha256_of(path)
        if stamp == stamp_of(path) and time.time_ns() - max(stamp[1], stamp[2]) > SETTLED_NS:
            self._new[key] = (*stamp, value)
        return value

    def save(self) -> None:
        """Add what was hashed since; the file is replaced in one step."""
        if self.path is None or not self._new:
            return
        entries = self._read() | self._new  # another process may have added some meanwhile
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(entries, indent=0, sort_keys=True), encoding="utf-8")
            os.replace(temporary, self.path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            return
        self._known, self._new = entries, {}

    def _read(self) -> dict[str, Entry]:
        if self.path is None:
            return {}
        try:
            entries = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(entries, dict):
            return {}
        return {key: tuple(entry) for key, entry in entries.items() if _is_entry(entry)}


def _is_entry(entry: object) -> bool:
    return isinstance(entry, list) and [type(item) for item in entry] == [int, int, int, int, str]


def stamp_of(path: Path) -> Stamp:
    """What changes with a file's content: size, both times, and which file it is."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
