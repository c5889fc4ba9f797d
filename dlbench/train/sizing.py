"""Parameter budgets: the width at which a model has about so many parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ..errors import NotApplicable

WIDEST = 1 << 20
SLACK = 0.2  # how far from the target, as a share of it


def fit_width(build: Callable[[int], Any], target: int) -> int:
    """The width whose model, `build(width)`, comes nearest to `target` parameters; of two as near, the smaller.

    Raises NotApplicable where no width comes within a fifth of the target.
    """

    @cache
    def count(width: int) -> int:
        return sum(parameter.numel() for parameter in build(width).parameters())

    if count(1) > 2 * target:
        raise NotApplicable(f"has {count(1)} parameters at a width of 1, more than budget.params={target} asks for")
    high = 2
    while count(high) < target:
        if high >= WIDEST or count(high) == count(1):
            raise NotApplicable(f"doesn't reach budget.params={target} by its width")
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    best = min(low, high, key=lambda width: (abs(count(width) - target), width))
    if abs(count(best) - target) > SLACK * target:
        raise NotApplicable(f"has {count(best)} parameters at its nearest width, too far from budget.params={target}")
    return best
