"""The schedule of snapshot ensembles. No torch."""

from __future__ import annotations

from math import cos, floor, pi

from dlbench import Factor, Progress, UsageError

ROUNDING = 1e-9


def cyclic_cosine(*, cycles: int = 5) -> Factor:
    """The budget in `cycles` equal parts, in each of which the factor goes from 1 to 0 along half a cosine and then
    jumps back: at the share t of a part it is (1 + cos(pi t)) / 2."""
    if cycles < 1:
        raise UsageError(f"cyclic_cosine needs at least one cycle, not {cycles}")

    def factor(progress: Progress) -> float:
        place = progress.share * cycles + ROUNDING  # a step that begins a cycle belongs to it, however it was rounded
        return 0.5 * (1.0 + cos(pi * (place - floor(place))))

    return factor
