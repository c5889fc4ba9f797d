"""Generation: points, pictures, pictures of another domain, graphs and molecules, and the suites on them."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Suite, TaskSpec

from . import graphs, images, molecules, points, unpaired
from .suites import generative

PARTS = (points, images, unpaired, graphs, molecules)


def dlbench_tasks() -> Iterable[TaskSpec]:
    return [spec for part in PARTS for spec in part.specs()]


def dlbench_suites() -> Iterable[Suite]:
    return [generative(), *(suite for part in PARTS for suite in part.suites())]
