"""Baselines that take an example as one row of numbers: `ridge`, `nearest_neighbour`. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dlbench import Classes, Image, Kind, ModelSpec, NotApplicable, Series, Settings, Signature, UsageError, Vector

if TYPE_CHECKING:
    from .nearest_neighbour import NearestNeighbour
    from .ridge import Ridge

LONGEST_ROW = 8192  # ridge holds a square matrix of this side in double precision, half a gigabyte


def models(recipes: Mapping[str | type[Kind], Settings]) -> Iterator[ModelSpec]:
    """`recipes`: how a model that only counts is trained."""
    accepts = [(Series, Classes), (Vector, Classes), (Image, Classes)]
    yield ModelSpec(
        name="ridge",
        build=build_ridge,
        accepts=accepts,
        family="Baseline",
        paper="Hoerl and Kennard 1970, Ridge Regression: Biased Estimation for Nonorthogonal Problems",
        recipes=recipes,
    )
    yield ModelSpec(
        name="nearest_neighbour",
        build=build_nearest_neighbour,
        accepts=accepts,
        family="Baseline",
        paper="Cover and Hart 1967, Nearest Neighbor Pattern Classification",
        recipes=recipes,
    )


def build_ridge(signature: Signature, *, alpha: float = 100.0, frames: int = 24) -> Ridge:
    """`alpha`: the weight of the penalty. `frames`: the steps that a series is resized to."""
    features = _row_size(signature, frames)
    if features > LONGEST_ROW:
        raise NotApplicable(f"needs examples of at most {LONGEST_ROW} numbers, not {features}")
    if alpha <= 0:
        raise UsageError(f"ridge needs an alpha above 0, not {alpha}")
    from .ridge import Ridge

    return Ridge(features=features, num_classes=signature.output.num_classes, alpha=alpha, frames=frames)


def build_nearest_neighbour(signature: Signature, *, frames: int = 24) -> NearestNeighbour:
    """`frames`: the steps that a series is resized to."""
    from .nearest_neighbour import NearestNeighbour

    features = _row_size(signature, frames)
    return NearestNeighbour(features=features, num_classes=signature.output.num_classes, frames=frames)


def _row_size(signature: Signature, frames: int) -> int:
    """How many numbers an example has as a row."""
    kind = signature.input
    if frames < 1:
        raise UsageError(f"a series needs at least 1 frame, not {frames}")
    if isinstance(kind, Series):
        return frames * kind.features
    return kind.channels * kind.height * kind.width if isinstance(kind, Image) else kind.features
