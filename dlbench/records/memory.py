"""What the last reading of a large results folder found, so that the next one reads only what has changed since.

A file is what it was if its size, inode and both times of change are the same, to the nanosecond, and were two seconds
old when it was read: any later change shows. What is remembered is a record without its long parts, and the facts that
tables need of these. Parts that many records share, as recipes and environments, are kept once, in memory too. The file
lies in the user's cache, as compiled modules do, and in their format. It begins with checksums of the rest and of the
code that wrote it, and counts for nothing where either is another.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import marshal
import os
import sys
import time
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from .facts import LONG
from .writing import write_bytes

Stamp = tuple[int, int, int, int]
Known = tuple[Stamp, dict[str, Any], dict[str, Any]]
FOLDER = "records"
FEW = 1_000
"""Records of a folder up to which nothing is remembered."""
SETTLED_NS = 2_000_000_000
PLAIN = 2
"""The last version of marshal's format that writes no reference to an earlier value: equal ones have equal bytes."""
SHARED = frozenset({
    "model", "task", "recipe", "layers", "runtime", "versions", "inputs", "ingredients", "limits", "environment",
    "tuned", "treatment", "command", "flags", "type", "dlbench", "suite", "variant", "status", "reason", "where",
})  # fmt: skip
"""Parts that are the same in many records."""


class Memory:
    """Of one results folder: `cache` is where the file is kept; None: for this process only."""

    def __init__(self, root: Path, cache: Path | None) -> None:
        self.root = os.path.realpath(root)
        name = hashlib.sha256(self.root.encode()).hexdigest()[:16]
        self.file = None if cache is None else cache / FOLDER / name
        self._parts: dict[str, dict[bytes, Any]] = {key: {} for key in SHARED}
        self._known: dict[str, Known] = self._load()
        self._new: set[str] = set()

    def get(self, name: str, stamp: Stamp) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """A record without its long parts, and its facts, if its file is what it was."""
        known = self._known.get(name)
        return known[1:] if known is not None and known[0] == stamp else None

    def put(
        self, name: str, stamp: Stamp, body: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Remember a record, its body with or without the long parts; returns what `get` will."""
        head = {sys.intern(key): self._shared(key, value) for key, value in body.items() if key not in LONG}
        long = [key for key in LONG if key in body] or [*facts.get("long", ())]
        self._known[name] = stamp, head, _interned({**facts, "long": long})
        self._new.add(name)
        return self._known[name][1:]

    def forget(self, name: str) -> None:
        self._known.pop(name, None)

    def save(self, names: Container[str]) -> None:
        """Keep what is known of these names for the next process. A cache that can't be written is none."""
        kept = {name: known for name, known in self._known.items() if name in names}
        if self.file is None or not self._new or len(kept) <= FEW:
            return
        self._new.clear()
        data = marshal.dumps(kept)
        head = {"root": self.root, "code": _code(), "sum": hashlib.sha256(data).hexdigest()}
        with contextlib.suppress(OSError):
            write_bytes(self.file, json.dumps(head).encode() + b"\n" + data)
            _sweep(self.file.parent)

    def _shared(self, key: str, value: Any) -> Any:
        if key not in SHARED:
            return _interned(value)
        return self._parts[key].setdefault(marshal.dumps(value, PLAIN), value)

    def _load(self) -> dict[str, Known]:
        if self.file is None:
            return {}
        try:
            with open(self.file, "rb") as file:
                head = json.loads(file.readline())
                if (head["root"], head["code"]) != (self.root, _code()):
                    return {}
                data = file.read()
            known: dict[str, Known] = marshal.loads(data) if hashlib.sha256(data).hexdigest() == head["sum"] else {}
            return known
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def stamp_of(stat: os.stat_result) -> Stamp:
    """What changes whenever a file does."""
    return stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns


def is_settled(stamp: Stamp) -> bool:
    """Whether the file would get another stamp if it were changed now."""
    return time.time_ns() - max(stamp[2:]) > SETTLED_NS


def _interned(value: Any) -> Any:
    """The value with one object for each of its keys' texts."""
    if isinstance(value, dict):
        return {sys.intern(key): _interned(item) for key, item in value.items()}
    return [_interned(item) for item in value] if isinstance(value, list) else value


def _code() -> str:
    """A digest of what decides which facts are remembered, and how they are written."""
    here = Path(__file__).parent
    parts = [(here / name).read_bytes() for name in ("facts.py", "memory.py")]
    return hashlib.sha256(b"".join([*parts, sys.version.encode()])).hexdigest()


def _sweep(folder: Path) -> None:
    """Remove what is kept of folders that are gone."""
    for file in folder.iterdir():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            with open(file, "rb") as lines:
                gone = not os.path.isdir(json.loads(lines.readline())["root"])
            if gone:
                file.unlink()
