"""Suites from TOML files: the same fields as `Suite`, `Block` and `ProfileProtocol`."""

from __future__ import annotations

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
        blocks = tuple(_block(block) for block in table.pop("blocks", ()))
        profile = _make(ProfileProtocol, table.pop("profile", {}))
        seeds = table.pop("seeds", 3)
        values = {"name": path.stem, **table, "blocks": blocks, "profile": profile}
        if not blocks:
            raise UsageError("it has no [[blocks]]")
        return _make(Suite, {**values, "seeds": tuple(seeds) if isinstance(seeds, list) else seeds})  # type: ignore[no-any-return]
    except (UsageError, TypeError) as error:
        raise UsageError(f"{path}: {error}") from error


def _block(table: dict[str, Any]) -> Block:
    lists: dict[str, Any] = {key: tuple(table[key]) for key in ("models", "tasks") if key in table}
    resolve([("suite", table.get("set", {}))])
    return _make(Block, {"models": ("*",), "tasks": ("*",), **table, **lists})  # type: ignore[no-any-return]


def _make(spec: type, values: dict[str, Any]) -> Any:
    known = [f.name for f in fields(spec)]
    for key in values:
        if key not in known:
            raise unknown(f"key of a {spec.__name__.lower()}", key, known)
    return spec(**values)
