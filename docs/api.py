"""What plugins may import, as lines: `dlbench.NAME(parameters)`, a parameter with a default as `name=`."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import dlbench.data
from dlbench.contract import hookspecs

MODULES = ("dlbench", "dlbench.data", "dlbench.decoding", "dlbench.testing")


def modules() -> list[str]:
    """The public modules; those inside dlbench.data are public too."""
    inner = [f"dlbench.data.{module.name}" for module in pkgutil.iter_modules(dlbench.data.__path__)]
    return sorted([*MODULES, *inner])


def lines(module: str) -> list[str]:
    """The public names of a module, with their parameters, and the methods of their own."""
    found = import_module(module)
    return [line for name in names(found) for line in described(f"{module}.{name}", getattr(found, name))]


def hooks() -> list[str]:
    """The functions that a plugin may define."""
    found = {n: value for n, value in vars(hookspecs).items() if n.startswith("dlbench_")}
    return [f"{name}{parameters(value)}" for name, value in sorted(found.items())]


def names(module: ModuleType) -> list[str]:
    """What a module says is public; else what it defines without an underscore."""
    if hasattr(module, "__all__"):
        return sorted(name for name in module.__all__ if name[0] != "_")
    return sorted(
        name for name, value in vars(module).items()
        if name[0] != "_" and callable(value) and getattr(value, "__module__", "") == module.__name__
    )  # fmt: skip


def described(name: str, value: Any) -> Iterator[str]:
    """A name's line and, of a class, one for each method that it defines."""
    yield f"{name}{parameters(value)}"
    if inspect.isclass(value):
        for method, function in sorted(vars(value).items()):
            if method[0] != "_" and inspect.isfunction(function):
                yield f"{name}.{method}{parameters(function)}"


def parameters(value: Any) -> str:
    """`(first, second=, *, third)`; empty for what isn't called."""
    if not callable(value):
        return ""
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return ""
    texts, starred = [], False
    for p in found:
        if p.kind is p.KEYWORD_ONLY and not starred:
            texts.append("*")
        starred |= p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        mark = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        texts.append(f"{mark}{p.name}{'=' if p.default is not p.empty else ''}")
    return f"({', '.join(texts)})"


def everything() -> list[str]:
    return [*hooks(), *(line for module in modules() for line in lines(module))]
