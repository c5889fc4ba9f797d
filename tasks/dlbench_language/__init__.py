"""Tasks on text: language modelling, classification, labelling, syntax, translation; and their suites."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Suite, TaskSpec

from . import classification, labelling, modelling, suites, syntax, translation
from .classification import suites as classification_suites
from .labelling import suites as labelling_suites
from .syntax import suites as syntax_suites
from .translation import suites as translation_suites


def dlbench_tasks() -> Iterable[TaskSpec]:
    for room in (modelling, classification, labelling, syntax, translation):
        yield from room.tasks()


def dlbench_suites() -> Iterable[Suite]:
    for room in (suites, classification_suites, labelling_suites, syntax_suites, translation_suites):
        yield from room.suites()
