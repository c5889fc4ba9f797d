"""Points of a plane or a sphere, where the truth is known: `ring8`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from dlbench import Metric, Sample, Suite, TaskSpec, Vector
from dlbench.data import Data


def load_ring8(data: Data, *, sd: float = 0.01, num_train: int = 10_000) -> Any:
    """`sd` of each Gaussian, on a circle of radius 1."""
    from .ring import make_task

    return make_task(sd=sd, num_train=num_train, device=data.device)


def specs() -> Iterable[TaskSpec]:
    yield TaskSpec(
        name="ring8",
        input_kind=Vector,
        output_kind=Sample,
        load=load_ring8,
        unit="points",
        metric=Metric(name="overlap"),
        metrics=(Metric(name="modes", unit="modes"), Metric(name="high_quality")),
        floor=math.exp(-4.5),
        bound=1.0,
        recipe={"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 128, "budget.epochs": 20},
        description=(
            "Eight narrow Gaussians on a circle, generated. True samples have 8 modes, 98.9 % high quality and, as "
            "2,500 of them are counted, an overlap of about 97 %."
        ),
    )


def suites() -> Iterable[Suite]:
    return []
