"""Digests of what specs stand for, so that an edited model or task never shows old numbers.

A digest covers the sources that a spec's functions can reach (see `sources`) and the values that they carry with them:
bound and default arguments, closures, the fields of callable objects, and the spec's own fields.
"""

from __future__ import annotations

import hashlib
import json
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .sources import CORE, Walk, is_installed

DESCRIPTIVE = frozenset({
    "name", "paper", "description", "family", "accepts", "why_not", "preload", "recipe", "recipes", "data", "datasets",
    "heavy", "milestones", "wraps", "inner",
})  # fmt: skip
"""Fields of specs that change no result by themselves, or reach it by the recipe, the digest of the data or that of a
wrapped model."""


@dataclass(frozen=True)
class Made:
    """What a spec is made of: its digest (16 hex digits), the files read for it, the installed packages it needs."""

    digest: str
    files: frozenset[Path]
    needs: frozenset[str]


def made_of(spec: Any) -> Made:
    """Of a spec: its functions' sources and every field that acts."""
    walk = Walk()
    acting = {f.name: _describe(getattr(spec, f.name), walk, ()) for f in fields(spec) if f.name not in DESCRIPTIVE}
    return Made(_hash([acting, walk.texts]), walk.files, frozenset(walk.needs))


def source_digest(thing: Any) -> str:
    """The digest of one function, class or object: 16 hex digits."""
    walk = Walk()
    described = _describe(thing, walk, ())
    return _hash([described, walk.texts])


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _describe(value: Any, walk: Walk, above: tuple[int, ...]) -> Any:
    """A value as JSON that is the same in every process: functions by their sources, objects by their fields, nothing
    by its address. `above` holds what contains the value, against circles."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if id(value) in above:
        return "..."
    inner = (*above, id(value))
    if isinstance(value, Mapping):
        return sorted([str(_describe(k, walk, inner)), _describe(v, walk, inner)] for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return [_describe(item, walk, inner) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(str(_describe(item, walk, inner)) for item in value)
    if isinstance(value, partial):
        return ["partial", *(_describe(part, walk, inner) for part in (value.func, value.args, value.keywords))]
    if isinstance(value, types.MethodType):
        return ["method", _describe(value.__func__, walk, inner), _describe(value.__self__, walk, inner)]
    if isinstance(value, (type, types.FunctionType)):
        return [_follow(value, walk), *(_describe(part, walk, inner) for part in _carried(value))]
    if (wrapped := getattr(value, "__wrapped__", None)) is not None:
        return ["wrapped", _describe(wrapped, walk, inner)]
    return _describe_object(value, walk, inner)


def _describe_object(value: Any, walk: Walk, inner: tuple[int, ...]) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, (types.ModuleType, types.BuiltinFunctionType)):
        return value.__name__
    if callable(getattr(value, "tobytes", None)):
        return hashlib.sha256(value.tobytes()).hexdigest()
    kind = _follow(type(value), walk)
    if is_dataclass(value):
        return [kind, {f.name: _describe(getattr(value, f.name), walk, inner) for f in fields(value)}]
    slots = [s for s in getattr(type(value), "__slots__", ()) if isinstance(s, str) and hasattr(value, s)]
    state = {**{s: getattr(value, s) for s in slots}, **getattr(value, "__dict__", {})}
    if state:
        return [kind, _describe(state, walk, inner)]
    text = repr(value)
    return kind if " at 0x" in text else [kind, text]


def _carried(function: Any) -> list[Any]:
    """The values that a function took with it when it was made; they need not stand in its text."""
    if isinstance(function, type):
        return []
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    return [cells, function.__defaults__, function.__kwdefaults__]


def _follow(thing: Any, walk: Walk) -> str:
    """Walk the sources of a function or a class; returns its name."""
    module = sys.modules.get(thing.__module__)
    name = f"{thing.__module__}.{thing.__qualname__}"
    file = getattr(module, "__file__", None)
    first = thing.__module__.partition(".")[0]
    if first == CORE:  # whose rooms may change
        return f"{CORE}.{thing.__qualname__}"
    if not file or not file.endswith(".py") or first in sys.stdlib_module_names:
        return name
    if is_installed(Path(file)):
        walk.needs.add(first)
        return name
    walk.name(Path(file), thing.__qualname__.partition(".")[0])
    return thing.__qualname__ if first.startswith("dlbench_file_") else name  # whose module's name has the folder in it
