"""Jobs of several cells: those that differ by seed alone, and may train together in one child."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..contract.executor import Message

OWN = ("id", "log", "seed", "pictures")
"""Of a cell's message, what its seed has for itself."""
MOST = 64
"""Cells in a group."""
FEWEST = 8
"""Cells that a group is left with where it is divided among several processes."""


def grouped(messages: Sequence[Message], at_once: int) -> list[Message]:
    """The messages of cells, those that differ by seed alone joined, into as many as run `at_once`. Cells on several
    devices each stay alone."""
    found: dict[str, list[Message]] = {}
    for message in messages:
        own = OWN if message["runtime"].get("devices", 1) == 1 else ()
        found.setdefault(json.dumps({k: v for k, v in message.items() if k not in own}), []).append(message)
    return [message for same in found.values() for message in _divided(same, at_once)]


def names_of(message: Message) -> list[str]:
    """The cells of a message."""
    return [cell["id"] for cell in message.get("cells", [message])]


def singles(message: Message) -> list[Message]:
    """The cells of a group as messages of their own."""
    rest = {key: value for key, value in message.items() if key != "cells"}
    return [{**rest, **cell} for cell in message["cells"]]


def copy_log(log: str, to: str) -> None:
    """Give a cell the log of its group; a full disk costs the log, not the run."""
    with contextlib.suppress(OSError):
        Path(to).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, to)


def _divided(same: list[Message], at_once: int) -> Iterator[Message]:
    count = max(-(-len(same) // MOST), min(at_once, len(same) // FEWEST), 1)
    for part in range(count):
        cells = same[part * len(same) // count : (part + 1) * len(same) // count]
        yield cells[0] if len(cells) == 1 else _joined(cells)


def _joined(cells: list[Message]) -> Message:
    """One message of several cells, with the time that they have in all. Its id and log are the first one's."""
    first = cells[0]
    limit = None if first["timeout_s"] is None else first["timeout_s"] * len(cells)
    return {
        **first, "timeout_s": limit,
        "cells": [{**{key: cell[key] for key in OWN}, "timeout_s": cell["timeout_s"]} for cell in cells],
    }  # fmt: skip
