"""The whole extension surface. A plugin is a module with any of these functions, found by the prefix `dlbench_`
through the entry-point group `dlbench` or with `-p`. Order never matters; a name belongs to one plugin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from ..results import Record
    from .specs import (
        ExecutorSpec,
        InitializerSpec,
        ModelSpec,
        OptimizerSpec,
        RegularizerSpec,
        ScheduleSpec,
        Suite,
        TaskSpec,
        TrackerSpec,
    )

hookspec = pluggy.HookspecMarker("dlbench")
hookimpl = pluggy.HookimplMarker("dlbench")


@hookspec
def dlbench_models() -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """Architectures."""


@hookspec
def dlbench_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Data sets with what is asked of them and how it is judged."""


@hookspec
def dlbench_optimizers() -> Iterable[OptimizerSpec]:  # type: ignore[empty-body]
    """Optimizers: `build(params, lr, **options)`."""


@hookspec
def dlbench_schedules() -> Iterable[ScheduleSpec]:  # type: ignore[empty-body]
    """Learning-rate schedules: `build(**options)` gives `factor(progress) -> float`, or `Stop`."""


@hookspec
def dlbench_regularizers() -> Iterable[RegularizerSpec]:  # type: ignore[empty-body]
    """Penalties, augmentations, averaging."""


@hookspec
def dlbench_initializers() -> Iterable[InitializerSpec]:  # type: ignore[empty-body]
    """Weights before the first step: `build(**options)` gives `init(learner)`, which changes them in place."""


@hookspec
def dlbench_suites() -> Iterable[Suite]:  # type: ignore[empty-body]
    """Named grids of models x tasks x recipe variants x seeds."""


@hookspec
def dlbench_trackers() -> Iterable[TrackerSpec]:  # type: ignore[empty-body]
    """Where runs can be followed: `build(folder, **options)` gives an object with the two hooks below."""


@hookspec
def dlbench_executors() -> Iterable[ExecutorSpec]:  # type: ignore[empty-body]
    """Where jobs can run beside this machine: `build(folder, resources, **options)` gives an `Executor`."""


@hookspec
def dlbench_cell_progress(cell: Mapping[str, Any], fold: int, point: Mapping[str, Any]) -> None:
    """Called in the parent process after each evaluation of a cell: `cell` is what its record will say and is known
    before it ends, `point` the new point of the fold's curve."""


@hookspec
def dlbench_cell_finished(record: Record) -> None:
    """Called in the parent process after each record is saved: trackers, notifiers."""
