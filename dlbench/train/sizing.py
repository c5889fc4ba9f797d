"""Parameter budgets: the width at which a model has about so many parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ..errors import NotApplicable

WIDEST = 1 << 20
STEPS = 64  # as many heads as a network may have
SLACK = 0.2  # how far from the target, as a share of it


def fit_width(build: Callable[[int], Any], target: int) -> int:
    """The width whose model, `build(width)`, comes nearest to `target` parameters; of two as near, the smaller. Where a
    width of 1 can't be built, since it must be shared out among heads, only multiples of the smallest that can are
    tried.

    Raises NotApplicable where no width comes within a fifth of the target, or none of the first `STEPS` can be built.
    """
    step = _smallest(build)

    @cache
    def count(steps: int) -> int:
        return sum(parameter.numel() for parameter in build(steps * step).parameters())

    if count(1) > 2 * target:
        raise NotApplicable(
            f"has {count(1)} parameters at a width of {step}, more than budget.params={target} asks for"
        )
    high = 2
    while count(high) < target:
        if high >= WIDEST or count(high) == count(1):
            raise NotApplicable(f"doesn't reach budget.params={target} by its width")
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    best = min(low, high, key=lambda steps: (abs(count(steps) - target), steps))
    if abs(count(best) - target) > SLACK * target:
        raise NotApplicable(f"has {count(best)} parameters at its nearest width, too far from budget.params={target}")
    return best * step


def _smallest(build: Callable[[int], Any]) -> int:
    """The smallest width that can be built. Raises the reason why 1 can't be, where none of the first can."""
    first: NotApplicable | None = None
    for width in range(1, STEPS + 1):
        try:
            build(width)
        except NotApplicable as reason:
            first = first or reason
        else:
            return width
    assert first is not None
    raise first
