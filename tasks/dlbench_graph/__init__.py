"""Graph tasks and the suites on them. Each room declares its tasks: `citation` (one graph with labelled nodes), `sets`
(data sets of many graphs), `generated`."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Suite, TaskSpec

from . import citation, generated, sets
from .suites import suites


def dlbench_tasks() -> Iterable[TaskSpec]:
    for room in (citation, sets, generated):
        yield from room.specs()


def dlbench_suites() -> Iterable[Suite]:
    return suites()
