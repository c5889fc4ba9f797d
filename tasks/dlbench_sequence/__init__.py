"""Sequences with a known optimum, generated, and images read row by row; the suites that compare models on them."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Suite, TaskSpec

from . import declare, suites


def dlbench_tasks() -> Iterable[TaskSpec]:
    return declare.specs()


def dlbench_suites() -> Iterable[Suite]:
    return suites.suites()
