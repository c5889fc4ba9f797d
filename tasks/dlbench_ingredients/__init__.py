"""What training is made of, each part where its effect can be seen: functions with known minima, small image sets,
controls, and the suites that compare optimizers, schedules, augmentations and what keeps a network from overfitting."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Suite, TaskSpec

from . import controls, objectives, pictures, pictures_suites, regular_suites, suites, timed

TASKS = (objectives, pictures, controls, timed)
"""Modules with a function `specs()`."""
SUITES = (suites, pictures_suites, regular_suites)
"""Modules with a function `suites()`."""


def dlbench_tasks() -> Iterable[TaskSpec]:
    """A function or a problem to be minimized each, sets of images, and controls."""
    return [spec for part in TASKS for spec in part.specs()]


def dlbench_suites() -> Iterable[Suite]:
    """Each compares one ingredient and leaves the others alone."""
    return [suite for part in SUITES for suite in part.suites()]
