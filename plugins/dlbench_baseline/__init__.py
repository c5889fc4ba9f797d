"""The floor of every task: a model that counts and never looks at its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlbench import (
    Classes,
    Image,
    InputKind,
    Kind,
    ModelSpec,
    NextToken,
    NodeClasses,
    Sample,
    ScheduleSpec,
    Signature,
    Stop,
    Value,
    Vector,
)
from dlbench.schedule import Factor

if TYPE_CHECKING:
    from .constant import Constant


def dlbench_models() -> Iterator[ModelSpec]:
    """`constant`; one pass over the training split is all it needs, and augmented examples would bend its counts."""
    yield ModelSpec(
        name="constant",
        build=_build,
        accepts=[
            (InputKind, Classes),
            (InputKind, NodeClasses),
            (InputKind, NextToken),
            (InputKind, Value),
            (Vector, Sample),
            (Image, Sample),
        ],
        family="Baseline",
        recipes={Kind: {"schedule": "stop_after[epochs=1]", "regularizers": "none"}},
    )


def dlbench_schedules() -> Iterator[ScheduleSpec]:
    """`stop_after`."""
    yield ScheduleSpec(name="stop_after", build=_stop_after)


def _build(signature: Signature) -> Constant:
    from .constant import constant

    return constant(signature)


def _stop_after(*, epochs: float = 1) -> Factor:
    """The full learning rate until so many passes over the training split are done, then the end of training,
    whatever is left of the budget."""
    return lambda progress: Stop if progress.epoch >= epochs else 1.0
