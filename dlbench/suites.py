"""Suites from TOML files: the same fields as `Suite`, `Block` and `ProfileProtocol`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from .errors import UsageError, unknown
from .recipe import resolve
from .specs import Block, ProfileProtocol, Suite


def read_suite(path: Path) -> Suite:
    """A suite from a file such as

        name = "mine"
        seeds = 5
        [[blocks]]
        models = ["mlp", "lenet5"]
        tasks = ["digits"]
        set = { lr = 0.01, "budget.epochs" = 5 }

    Raises UsageError naming the file and the key that is wrong."""
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise UsageError(f"there is no suite file {path}") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"can't read {path}: {error}") from error
    try:
        blocks = table.pop("blocks", None)
        if not blocks or not isinstance(blocks, list):
            raise UsageError("it has no [[blocks]]")
        seeds = _seeds(table.pop("seeds", 3))
        profile = _make(ProfileProtocol, table.pop("profile", {}))
        values = {"name": path.stem, **table, "blocks": tuple(map(_block, blocks)), "seeds": seeds, "profile": profile}
        if re.search(r"[/\\]", str(values["name"])):
            raise UsageError(f"the name {values['name']!r} can't be a file's name")
        return _make(Suite, values)  # type: ignore[no-any-return]
    except (UsageError, TypeError) as error:
        raise UsageError(f"{path}: {error}") from error


def _seeds(value: Any) -> int | tuple[int, ...]:
    wanted = value if isinstance(value, list) else [value]
    if not wanted or any(type(seed) is not int for seed in wanted) or (not isinstance(value, list) and value < 1):
        raise UsageError(f"seeds is a count or a list of whole numbers, not {value!r}")
    return tuple(value) if isinstance(value, list) else int(value)


def _names(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise UsageError(f"{key} takes a list of names, not {value!r}")
    return tuple(value)


def _block(table: dict[str, Any]) -> Block:
    lists: dict[str, Any] = {key: _names(key, table[key]) for key in ("models", "tasks") if key in table}
    resolve([("suite", table.get("set", {}))])
    return _make(Block, {"models": ("*",), "tasks": ("*",), **table, **lists})  # type: ignore[no-any-return]


def _make(spec: type, values: dict[str, Any]) -> Any:
    known = [f.name for f in fields(spec)]
    for key in values:
        if key not in known:
            raise unknown(f"key of a {spec.__name__.lower()}", key, known)
    return spec(**values)
