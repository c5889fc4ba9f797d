"""Tasks that are functions with known minima: the model is a point (kind `Objective`), the loss the function. No torch.

Validation and test judge the same function without noise, so nothing is learnt about examples that weren't seen: these
tasks compare optimizers and schedules alone. The last state is judged, since the best one would be a lucky one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlbench import Metric, Objective, Settings, TaskSpec, Vector
from dlbench.data import Data

from . import surfaces

GAP = Metric(name="gap", unit="", higher_is_better=False)
DISTANCE = Metric(name="distance", unit="distance", higher_is_better=False)
ZEROS = Metric(name="zeros", unit="")
STEPS: Settings = {"batch_size": 1, "select": "last", "evaluate_every": 20}


def load_quadratic(
    data: Data, *, dimension: int = 20, condition: float = 100.0, noise: float = 0.0, rotated: bool = False
) -> Any:
    from .searching import Searching

    return Searching(surfaces.quadratic(dimension, condition, rotated), noise=noise, device=data.device)


def load_rosenbrock(data: Data, *, noise: float = 0.0) -> Any:
    from .searching import Searching

    return Searching(surfaces.ROSENBROCK, noise=noise, device=data.device)


def load_beale(data: Data, *, noise: float = 0.0) -> Any:
    from .searching import Searching

    return Searching(surfaces.BEALE, noise=noise, device=data.device)


def load_branin(data: Data, *, noise: float = 0.0) -> Any:
    from .searching import Searching

    return Searching(surfaces.BRANIN, noise=noise, device=data.device)


def load_ridge(data: Data, *, strength: float = 0.1) -> Any:
    from .regressions import Regression, ridge

    return Regression(ridge(strength), device=data.device)


def load_lasso(data: Data, *, strength: float = 0.2) -> Any:
    from .regressions import Regression, lasso

    return Regression(lasso(strength), device=data.device)


def floor_quadratic(
    *, dimension: int = 20, condition: float = 100.0, noise: float = 0.0, rotated: bool = False
) -> float:
    """The gap where the search begins."""
    return 0.5 * sum(surfaces.quadratic(dimension, condition, rotated).curvature)


def floor_ridge(*, strength: float = 0.1) -> float:
    """How far the start is from the solution."""
    from .regressions import ridge

    return ridge(strength).from_zero


def floor_lasso(*, strength: float = 0.2) -> float:
    """How far the start is from the solution."""
    from .regressions import lasso

    return lasso(strength).from_zero


def specs() -> Iterator[TaskSpec]:
    """Quadratics, three functions of two variables, and two regressions that have a closed form."""
    yield _function(
        "quadratic", load_quadratic, floor_quadratic, {"optimizer": "sgd", "lr": 1.0, "budget.steps": 400, **STEPS},
        "half the sum of squares, weighted by curvatures from 1 / condition to 1, so that gradient descent holds below "
        "a rate of 2; `noise` is the deviation of each component of a gradient, `rotated` turns the axes away from the "
        "coordinates",
    )  # fmt: skip
    yield _function(
        "rosenbrock", load_rosenbrock, _gap_at_start(surfaces.ROSENBROCK), _walk(0.05, 2000),
        "Rosenbrock's curved valley (1960), from (-1.2, 1) to (1, 1)",
    )  # fmt: skip
    yield _function(
        "beale", load_beale, _gap_at_start(surfaces.BEALE), _walk(0.05, 1000),
        "Beale's function (1958): a flat valley with steep walls, from (1, 1) to (3, 0.5)",
    )  # fmt: skip
    yield _function(
        "branin", load_branin, _gap_at_start(surfaces.BRANIN), _walk(0.1, 400),
        "Branin's function (1972), which has three minima of equal depth, from (0, 5)",
    )  # fmt: skip
    yield _regression(
        "ridge", load_ridge, floor_ridge, "l2[rate=0.1]",
        "least squares under an L2 penalty of the recipe's, judged by the distance to the closed form for `strength`, "
        "which the recipe's rate has to match",
    )  # fmt: skip
    yield _regression(
        "lasso", load_lasso, floor_lasso, "l1[rate=0.2]",
        "least squares on orthogonal columns under an L1 penalty of the recipe's, judged by the distance to the closed "
        "form (soft thresholds) for `strength`, which the recipe's rate has to match, and by exact zeros",
    )  # fmt: skip


def _walk(lr: float, steps: int) -> Settings:
    return {"optimizer": "adam", "lr": lr, "budget.steps": steps, **STEPS}


def _gap_at_start(surface: surfaces.Surface) -> Any:
    """The floor of a function: the gap where the search begins, whatever the noise."""

    def floor(*, noise: float = 0.0) -> float:
        return surface.at(surface.start) - surface.least

    return floor


def _function(name: str, load: Any, floor: Any, recipe: Settings, description: str) -> TaskSpec:
    return TaskSpec(
        name=name, input_kind=Vector, output_kind=Objective, load=load, unit="draw", metric=GAP, metrics=(DISTANCE,),
        floor=floor, bound=0.0, milestones=(1e-3,), recipe=recipe, description=description,
    )  # fmt: skip


def _regression(name: str, load: Any, floor: Any, regularizer: str, description: str) -> TaskSpec:
    return TaskSpec(
        name=name, input_kind=Vector, output_kind=Objective, load=load, unit="draw", metric=DISTANCE,
        metrics=(GAP, ZEROS), floor=floor, bound=0.0,
        recipe={
            "optimizer": "sgd", "lr": 1.0, "schedule": "linear", "regularizers": regularizer,
            "budget.steps": 600, **STEPS,
        },
        description=description,
    )  # fmt: skip
