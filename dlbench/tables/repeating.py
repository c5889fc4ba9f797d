"""The command that gives rows more seeds, from what their records say of how they were made."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..contract.choice import format_value
from ..results import Record
from .groups import Group, named

CUSTOM = "custom"
CARRIED = {
    "-p": "-p",
    "--plugin": "-p",
    "--data": "--data",
    "--timeout": "--timeout",
    "--memory-limit": "--memory-limit",
}
FLAGS = ("--unverified-data", "--no-profile")
"""Options that the next run needs as well, with a value and without."""


def more_seeds(rows: Sequence[Group], seeds: int, results: Path | None) -> list[str]:
    """The commands, mostly one, that give each of these rows of one table this many seeds and keep those that they
    have. `results`: the folder to go on in. A recipe that was tuned is found again by its own command."""
    wanted = seeds_text([[int(cell["seed"]) for cell in row.cells] for row in rows], seeds)
    tuned = [row for row in rows if _tuned(row.head)]
    plain = [row for row in rows if not _tuned(row.head)]
    commands = [_again(row.head, wanted, results) for row in tuned]
    if plain:
        commands.append(_run(plain, wanted, results))
    return [*dict.fromkeys(commands)]


def seeds_text(have: Iterable[Sequence[int]], seeds: int) -> str:
    """`--seeds`: a count where every row has its seeds from 0 on; else those that there are and new ones."""
    each = [sorted(own) for own in have]
    if all(own == [*range(len(own))] for own in each):
        return str(seeds)
    known = list(dict.fromkeys(seed for own in each for seed in own))
    fresh = (seed for seed in range(seeds + len(known)) if seed not in known)
    return ",".join(map(str, [*known, *(next(fresh) for _ in range(max(0, seeds - len(known))))]))


def _run(rows: Sequence[Group], seeds: str, results: Path | None) -> str:
    head = rows[0].head
    words = ["dlbench", "run"]
    for name in suites_of(head):
        words += ["--suite", name]
    for model in dict.fromkeys(named(row.key.model, row.key.options) for row in rows):
        words += ["-m", model]
    words += ["-t", rows[0].key.task, "--seeds", seeds]
    for key, value in settings_of(head).items():
        words += ["--set", f"{key}={value}"]
    words += _runtime(head)
    given = _words(head)
    for option, short in CARRIED.items():
        for value in _values(given, option):
            words += [short, value]
    words += [flag for flag in FLAGS if flag in given]
    return shlex.join([*words, *(["--results", str(results)] if results is not None else [])])


def _again(record: Record, seeds: str, results: Path | None) -> str:
    """The record's own command with other seeds."""
    words, kept = _words(record), []
    drop = False
    for word in words:
        if drop or word.partition("=")[0] in ("--seeds", "--results"):
            drop = not drop and "=" not in word
            continue
        kept.append(word)
    return shlex.join([*kept, "--seeds", seeds, *(["--results", str(results)] if results is not None else [])])


def suites_of(record: Record) -> list[str]:
    """What `--suite` needs: the suite's name, or the files that its command named; nothing of `custom`."""
    given = _values(_words(record), "--suite")
    files = [name for name in given if name.endswith(".toml")]
    if record["suite"] in given or not files:
        return [] if record["suite"] == CUSTOM else [record["suite"]]
    return files


def settings_of(record: Record) -> dict[str, str]:
    """What was set on the command line, as and in the order in which it was written there, since a variant is made of
    these texts; else as it was read."""
    keys = [key for key, layer in (record.get("layers") or {}).items() if layer == "command line"]
    written = dict(text.split("=", 1) for text in _values(_words(record), "--set") if "=" in text)
    ordered = [*(key for key in written if key in keys), *(key for key in keys if key not in written)]
    return {key: written.get(key, _plain(record["recipe"].get(key))) for key in ordered}


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return format_value(value)


def _runtime(record: Record) -> list[str]:
    runtime = record["runtime"]
    words = ["--device", str(runtime["device"]).partition(":")[0]]
    words += ["--precision", runtime["precision"]] if runtime["precision"] != "fp32" else []
    words += ["--matmul-precision", runtime["matmul_precision"]] if runtime.get("matmul_precision") else []
    words += ["--compile"] if runtime["compile"] else []
    words += ["--compile-mode", runtime["compile_mode"]] if runtime.get("compile_mode") else []
    words += ["--cuda-graph"] if runtime.get("cuda_graph") else []
    words += ["--devices", str(runtime["devices"])] if runtime.get("devices", 1) != 1 else []
    words += ["--shard"] if runtime.get("shard") else []
    words += ["--channels-last"] if runtime["channels_last"] else []
    return words + (["--threads", str(runtime["threads"])] if runtime["threads"] != 1 else [])


def _tuned(record: Record) -> bool:
    return "tune" in (record.get("layers") or {}).values()


def _words(record: Record) -> list[str]:
    try:
        return shlex.split(str(record.get("command") or ""))
    except ValueError:  # it is a text like any other
        return []


def _values(words: Sequence[str], option: str) -> list[str]:
    """What stands behind an option, each time it is given."""
    found = [value for word, value in pairwise(words) if word == option]
    return found + [word.partition("=")[2] for word in words if word.startswith(f"{option}=") and len(option) > 2]
