"""What is declared of baselines that translate: `identity`, `random_target`. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlbench import Image, InputKind, Kind, ModelSpec, Settings, Signature, Translate


def models(recipes: Mapping[str | type[Kind], Settings]) -> Iterable[ModelSpec]:
    """What a translation between two domains has to beat. `recipes`: how a model that only counts is trained."""
    yield ModelSpec(
        name="identity",
        build=build_identity,
        accepts=[(InputKind, Translate)],
        family="Baseline",
        recipes=recipes,
    )
    yield ModelSpec(
        name="random_target",
        build=build_random_target,
        accepts=[(Image, Translate)],
        family="Baseline",
        recipes=recipes,
    )


def build_identity(signature: Signature) -> Any:
    """Copies its input."""
    from .translate import Identity

    return Identity()


def build_random_target(signature: Signature) -> Any:
    """Draws training examples of the other domain."""
    from .translate import RandomTarget

    kind = signature.input
    return RandomTarget(size=(kind.channels, kind.height, kind.width))
