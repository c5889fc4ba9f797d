"""Graph tasks and the suites on them. Each room declares its tasks: `citation` (one graph with labelled nodes), `sets`
(data sets of many graphs), `generated`, `knowledge` (links of knowledge graphs)."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Suite, TaskSpec

from . import citation, generated, knowledge, sets
from .suites import suites


def dlbench_tasks() -> Iterable[TaskSpec]:
    for room in (citation, sets, generated, knowledge):
        yield from room.specs()


def dlbench_suites() -> Iterable[Suite]:
    return suites()
