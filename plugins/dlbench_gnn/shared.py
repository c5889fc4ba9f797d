"""The options that every family of graph networks shares. No torch."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from dlbench import Classes, EdgeClasses, Graph, NodeClasses, NodeValue, Value

ON_GRAPHS = [(Graph, NodeClasses), (Graph, NodeValue), (Graph, EdgeClasses), (Graph, Classes), (Graph, Value)]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Options of every family. None: what the form of network has as its default (see `plain` and `deep`).

    `width`: hidden units, of each head where there are several. `depth`: layers. `residual`: add a layer's input to its
    output. `jump`: jumping knowledge. `readout`: over a graph's nodes.
    """

    width: int | None = None
    depth: int | None = None
    dropout: float | None = None
    residual: bool | None = None
    batch_norm: bool | None = None
    jump: str | None = None
    readout: str | None = None

    def given(self, *names: str) -> dict[str, Any]:
        """Those of these options that aren't None."""
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def shares(build: Callable[..., Any]) -> Callable[..., Any]:
    """Make of `build(signature, shared, **own)` a builder that has the shared options beside its own."""
    names = [field.name for field in fields(Shared)]
    own = inspect.signature(build)
    first, _, *rest = own.parameters.values()
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Shared.__annotations__[name])
        for name in names
    ]

    @functools.wraps(build)
    def builder(signature: Any, **options: Any) -> Any:
        shared = Shared(**{name: options.pop(name) for name in names if name in options})
        return build(signature, shared, **options)

    builder.__signature__ = own.replace(parameters=[first, *common, *rest])  # type: ignore[attr-defined]
    return builder
