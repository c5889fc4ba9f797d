"""Suites from TOML files: the same fields as `Suite`, `Block` and `ProfileProtocol`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..contract.specs import Block, ProfileProtocol, Suite
from ..contract.vetting import Fault, vet
from ..errors import UsageError, unknown

LISTS = ("models", "tasks", "seeds")


def read_suite(path: Path) -> Suite:
    """A suite from a file such as

        name = "mine"
        seeds = 5
        [[blocks]]
        models = ["mlp", "lenet5"]
        tasks = ["digits"]
        set = { lr = 0.01, "budget.epochs" = 5 }

    Raises UsageError naming the file, the key that is wrong, and its line."""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        table = tomllib.loads(text)
    except FileNotFoundError:
        raise UsageError(f"there is no suite file {path}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"can't read {path}: line {line} isn't UTF-8, as TOML must be") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"can't read {path}: {error}") from error
    try:
        suite = _suite({"name": re.sub(r"[^\w.+:-]+", "-", path.stem), **table})
        vet(suite)
    except Fault as fault:
        found = _line_of(text, fault.path)
        raise UsageError(f"{path}{f', line {found}' if found else ''}: {fault}") from fault
    return suite


def _suite(table: dict[str, Any]) -> Suite:
    blocks = table.get("blocks")
    if not blocks or not isinstance(blocks, list):
        raise Fault(("blocks",), "must be one or more [[blocks]]")
    made = tuple(_make(Block, {"models": ["*"], "tasks": ["*"], **_table(b, ("blocks", i))}, ("blocks", i))
                 for i, b in enumerate(blocks))  # fmt: skip
    profile = _make(ProfileProtocol, _table(table.get("profile", {}), ("profile",)), ("profile",))
    return _make(Suite, {**table, "blocks": made, "profile": profile}, ())  # type: ignore[no-any-return]


def _table(value: Any, path: tuple[str | int, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Fault(path, f"must be a table of keys, not {value!r}")
    return value


def _make(spec: type, values: dict[str, Any], path: tuple[str | int, ...]) -> Any:
    """The spec with lists as tuples; what its fields hold is vetted later."""
    known = [f.name for f in fields(spec)]
    for key in values:
        if key not in known:
            raise Fault((*path, key), f"is wrong: {unknown(f'key of a {spec.__name__.lower()}', key, known)}")
    return spec(**{k: tuple(v) if k in LISTS and isinstance(v, list) else v for k, v in values.items()})


def _line_of(text: str, path: tuple[str | int, ...]) -> int | None:
    """Where the last key of a path stands: tomllib keeps no lines, so it is looked for under its table's heading."""
    lines = text.split("\n")
    start, end = 0, len(lines)
    heads = [i for i, line in enumerate(lines) if re.match(rf"\s*\[+\s*{re.escape(str(path[0]))}\s*\]", line)]
    if heads:
        which = path[1] if len(path) > 1 and isinstance(path[1], int) else 0
        start, end = [*heads, end][which : which + 2] if which < len(heads) else (0, end)
    for key in reversed([step for step in path if isinstance(step, str)]):
        pattern = re.compile(rf"""(?:^|[{{,\[.])\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
        for number in range(start, end):
            if pattern.search(lines[number]):
                return number + 1
    return None
