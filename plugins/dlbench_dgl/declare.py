"""The models' names, and how they follow from those of `dlbench_gnn`. No torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import dlbench_gnn
from dlbench import ModelSpec, Signature

from .available import why_not

FAMILIES = ("gcn", "chebnet", "graphsage", "gat", "gin", "monet")


def specs() -> Iterable[ModelSpec]:
    """What each family accepts, its options, their defaults and its recipes are those of its namesake."""
    known = {spec.name: spec for spec in dlbench_gnn.dlbench_models()}
    for name in FAMILIES:
        spec = known[name]
        family = f"{spec.family} (DGL)"
        yield replace(spec, name=f"dgl:{name}", build=on_dgl(spec.build), family=family, why_not=why_not)


def on_dgl(build: Callable[..., Any]) -> Callable[..., Any]:
    """A builder with the same options, whose network has DGL's layers."""
    builder = partial(build_on_dgl, build=build)
    builder.__signature__ = inspect.signature(build)  # type: ignore[attr-defined]
    return builder


def build_on_dgl(signature: Signature, *, build: Callable[..., Any], **options: Any) -> Any:
    from .network import to_dgl_layers

    return to_dgl_layers(build(signature, **options))
