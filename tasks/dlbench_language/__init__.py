"""Tasks on text: language modelling, classification, labelling, translation; and their suites."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Suite, TaskSpec

from . import classification, labelling, modelling, suites, translation


def dlbench_tasks() -> Iterable[TaskSpec]:
    for room in (modelling, classification, labelling, translation):
        yield from room.tasks()


def dlbench_suites() -> Iterable[Suite]:
    return suites.suites()
