"""dlbench_ensemble: learners made of learners, and snapshots of one under a cyclic schedule. Torch is imported on
build."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from dlbench import (
    Classes,
    DynamicGraph,
    EdgeClasses,
    Factor,
    Graph,
    Hypergraph,
    Image,
    ModelSpec,
    NodeClasses,
    NodeValue,
    NotApplicable,
    RegularizerSpec,
    ScheduleSpec,
    Series,
    Signature,
    Tokens,
    Value,
    Vector,
)

if TYPE_CHECKING:
    from dlbench import Learner, Regularizer

ROWS = (Image, Vector, Tokens, Series)
GRAPHS = (Graph, Hypergraph, DynamicGraph)


def dlbench_models() -> Iterable[ModelSpec]:
    """Both wrap any model that answers with classes or numbers."""
    yield ModelSpec(
        name="ensemble",
        build=_ensemble,
        wraps="model",
        accepts=[
            *((kind, output) for kind in (*ROWS, *GRAPHS) for output in (Classes, Value)),
            *((kind, output) for kind in GRAPHS for output in (NodeClasses, NodeValue, EdgeClasses)),
        ],
        family="Ensemble",
        paper="Hansen and Salamon 1990, Neural Network Ensembles",
    )
    yield ModelSpec(
        name="bagging",
        build=_bagging,
        wraps="model",
        accepts=[(kind, output) for kind in ROWS for output in (Classes, Value)],
        family="Ensemble",
        paper="Breiman 1996, Bagging Predictors",
    )


def dlbench_regularizers() -> Iterable[RegularizerSpec]:
    yield RegularizerSpec(
        name="snapshot", build=_snapshot, paper="Huang et al. (2017), Snapshot Ensembles: Train 1, Get M for Free"
    )


def dlbench_schedules() -> Iterable[ScheduleSpec]:
    yield ScheduleSpec(
        name="cyclic_cosine",
        build=_cyclic_cosine,
        paper="Huang et al. (2017), Snapshot Ensembles: Train 1, Get M for Free",
    )


def _ensemble(signature: Signature, make: Callable[[], Any], *, model: str = "mlp", members: int = 5) -> Learner:
    from .ensemble import Ensemble

    return Ensemble([make() for _ in range(_checked(members))], signature.output)


def _bagging(signature: Signature, make: Callable[[], Any], *, model: str = "mlp", members: int = 5) -> Learner:
    from .bagging import Bagging

    return Bagging([make() for _ in range(_checked(members))], signature.output)


def _snapshot(*, cycles: int = 5) -> Regularizer:
    from .snapshot import Snapshot

    return Snapshot(cycles=cycles)


def _cyclic_cosine(*, cycles: int = 5) -> Factor:
    from .cycles import cyclic_cosine

    return cyclic_cosine(cycles=cycles)


def _checked(members: int) -> int:
    if members < 1:
        raise NotApplicable(f"needs at least one member, not {members}")
    return members
