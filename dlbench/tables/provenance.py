"""Where the records of a published folder come from, and what mustn't stand side by side in one leaderboard unnoticed.

All of it is made of the records alone, so two branches of a repository that publish are joined by publishing again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from ..integrity import SCHEMA, plain
from ..results import Record
from .groups import named

MACHINE = ("machine", "cpu", "gpu", "cores", "ram_bytes")
SAME_MACHINE = MACHINE[:3]
"""What tells machines apart; memory as the system counts it changes with its kernel."""
OF_PLACE = ("python", "cuda", "cudnn", "os")


def provenance(records: Iterable[Record]) -> dict[str, Any]:
    """Commands, versions, machines, data and dates of records; each list sorted, without repetitions."""
    found = sorted(records, key=lambda record: record.name)
    tasks: dict[str, dict[str, set[str]]] = {}
    for record in found:
        task = record["task"]
        about = tasks.setdefault(named(task["name"], task["options"]), {})
        about.setdefault("version", set()).add(task["version"])
        for key, value in (("data", task.get("data")), ("data_digest", task.get("data_digest")),
                           ("content_digest", record.get("content_digest"))):  # fmt: skip
            if value:
                about.setdefault(key, set()).add(str(value))
    dates = sorted(record["created"] for record in found if record.get("created"))
    return {
        "schema": SCHEMA,
        "records": len(found),
        "created": {"first": dates[0], "last": dates[-1]} if dates else {},
        "commands": _each(plain(record.get("command") or "") for record in found),
        "dlbench": _each(record.get("dlbench") for record in found),
        "protocol": _each(record.get("protocol") for record in found),
        "versions": _versions(found),
        "machines": _each({key: record["environment"].get(key) for key in MACHINE} for record in found),
        "tasks": {
            name: {key: sorted(values) for key, values in about.items()} for name, about in sorted(tasks.items())
        },
        "files": dict(sorted(_files(found).items())),
    }


def _each(values: Iterable[Any]) -> list[Any]:
    """Each value once, none that is empty, in an order that doesn't depend on theirs."""
    texts = {json.dumps(value, sort_keys=True) for value in values if value not in (None, "")}
    return [json.loads(text) for text in sorted(texts)]


def _versions(records: Iterable[Record]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for record in records:
        here = {key: record["environment"].get(key) for key in ("torch", "numpy", *OF_PLACE)}
        for name, version in {**here, **(record.get("versions") or {})}.items():
            if version:
                found.setdefault(name, set()).add(str(version))
    return {name: sorted(versions) for name, versions in sorted(found.items())}


def _files(records: Iterable[Record]) -> dict[str, list[str]]:
    """The checksums of what jobs read beside the data that their tasks declare."""
    found: dict[str, set[str]] = {}
    for record in records:
        for label, digest in ((record.get("inputs") or {}).get("files") or {}).items():
            found.setdefault(label, set()).add(str(digest))
    return {label: sorted(digests) for label, digests in found.items()}


def mixtures(records: Iterable[Record]) -> list[str]:
    """What of these records shouldn't stand in one leaderboard unnoticed, each in a few words: several versions of a
    task, protocols of the core, or machines."""
    found = list(records)
    tasks = dict.fromkeys(record["task"]["name"] for record in found)
    said = [
        text
        for task in tasks
        if (text := _several(f"versions of {task}", lambda record: record["task"]["version"],
                             [record for record in found if record["task"]["name"] == task]))
    ]  # fmt: skip
    said.append(_several("protocols", lambda record: str(record.get("protocol")), found))
    said.append(_several("machines", _machine, [record for record in found if record["environment"].get("cpu")]))
    return [text for text in said if text]


def _machine(record: Record) -> str:
    return ", ".join(str(value) for key in SAME_MACHINE if (value := record["environment"].get(key)))


def _several(what: str, key: Callable[[Record], str], records: Iterable[Record]) -> str:
    """`protocols 2 (12 records) and 3 (30 records)`; empty where there is one."""
    counts: dict[str, int] = {}
    for record in records:
        counts[key(record)] = counts.get(key(record), 0) + 1
    each = [f"{value} ({count} record{'s' * (count != 1)})" for value, count in sorted(counts.items())]
    return f"{what} {' and '.join(each)}" if len(each) > 1 else ""
