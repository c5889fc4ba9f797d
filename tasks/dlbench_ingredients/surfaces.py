"""Functions with known minima. No torch: they are written in operations that floats and tensors share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, pi
from typing import Any

from dlbench import UsageError

LARGEST = 100_000
LARGEST_ROTATED = 2000  # a rotation is a square matrix
SEED = 20


@dataclass(frozen=True)
class Surface:
    """A function of a few variables: `at(point)` takes any sequence of numbers, and tensors as well."""

    at: Callable[[Any], Any]
    start: tuple[float, ...]
    minima: tuple[tuple[float, ...], ...]
    least: float


@dataclass(frozen=True)
class Quadratic:
    """1/2 sum_i curvature_i (axis_i . x)^2, least at the origin. `axes`: rows of an orthogonal matrix, or None where
    they are the coordinates."""

    curvature: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...] | None
    start: tuple[float, ...]
    least: float = 0.0

    @property
    def minima(self) -> tuple[tuple[float, ...], ...]:
        return ((0.0,) * len(self.start),)


@cache
def quadratic(dimension: int, condition: float, rotated: bool) -> Quadratic:
    """Curvatures in a geometric series from 1 / condition to 1; the start is 1 along every axis."""
    most = LARGEST_ROTATED if rotated else LARGEST
    if not 1 <= dimension <= most:
        raise UsageError(f"quadratic needs a dimension from 1 to {most}, not {dimension}")
    if condition < 1:
        raise UsageError(f"quadratic needs a condition of at least 1, not {condition}")
    curvature = tuple(condition ** (i / (dimension - 1) - 1) for i in range(dimension)) if dimension > 1 else (1.0,)
    if not rotated:
        return Quadratic(curvature, None, (1.0,) * dimension)
    import numpy as np

    drawn = np.random.default_rng(SEED).standard_normal((dimension, dimension))
    axes = np.linalg.qr(drawn)[0].T
    start = tuple(axes.sum(axis=0).tolist())
    return Quadratic(curvature, tuple(map(tuple, axes.tolist())), start)


def rosenbrock(point: Sequence[Any]) -> Any:
    """(1 - x)^2 + 100 (y - x^2)^2"""
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def beale(point: Sequence[Any]) -> Any:
    """(1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2"""
    x, y = point
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def branin(point: Sequence[Any]) -> Any:
    """(y - 5.1 / (4 pi^2) x^2 + 5 / pi x - 6)^2 + 10 (1 - 1 / (8 pi)) cos x + 10"""
    x, y = point
    cosine = cos(x) if isinstance(x, (int, float)) else x.cos()
    return (y - 5.1 / (4 * pi**2) * x**2 + 5 / pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * pi)) * cosine + 10


ROSENBROCK = Surface(rosenbrock, (-1.2, 1.0), ((1.0, 1.0),), 0.0)
BEALE = Surface(beale, (1.0, 1.0), ((3.0, 0.5),), 0.0)
# where sin x = 0 and cos x = -1 the first square can be 0, and the function is 10 / (8 pi)
BRANIN = Surface(branin, (0.0, 5.0), ((-pi, 12.275), (pi, 2.275), (3 * pi, 2.475)), 10 / (8 * pi))
