"""Schedules that go down to `end` over the budget: cosine, linear, polynomial, one cycle. No torch."""

from __future__ import annotations

from math import cos, pi

from dlbench import Factor, Progress, UsageError

from .warmup import Warmup


def cosine(*, end: float = 0.0, warmup_steps: int = 0, warmup_epochs: float = 0.0, warmup_share: float = 0.0) -> Factor:
    """Half a cosine from 1 to `end`, without restarts; a warm-up comes first and the cosine fills the rest."""
    warmup = Warmup(steps=warmup_steps, epochs=warmup_epochs, share=warmup_share)
    return warmup.then(lambda used: half_cosine(1.0, end, used))


def linear(*, end: float = 0.0, warmup_steps: int = 0, warmup_epochs: float = 0.0, warmup_share: float = 0.0) -> Factor:
    """A straight line from 1 to `end`."""
    warmup = Warmup(steps=warmup_steps, epochs=warmup_epochs, share=warmup_share)
    return warmup.then(lambda used: end + (1.0 - end) * (1.0 - used))


def polynomial(
    *,
    power: float = 2.0,
    end: float = 0.0,
    warmup_steps: int = 0,
    warmup_epochs: float = 0.0,
    warmup_share: float = 0.0,
) -> Factor:
    """end + (1 - end) (1 - t) ** power."""
    if power <= 0:
        raise UsageError("the schedule polynomial needs a power above 0")
    warmup = Warmup(steps=warmup_steps, epochs=warmup_epochs, share=warmup_share)
    return warmup.then(lambda used: end + (1.0 - end) * (1.0 - used) ** power)


def one_cycle(*, peak: float = 0.3, start: float = 0.04, end: float = 4e-6) -> Factor:
    """From `start` up to 1 at the share `peak` of the budget and down to `end`, both along half a cosine.

    The defaults are those of torch's OneCycleLR. `lr` is the largest learning rate; momentum is not cycled.
    """
    if not 0 < peak < 1:
        raise UsageError("the schedule one_cycle needs a peak between 0 and 1")

    def factor(progress: Progress) -> float:
        if progress.share < peak:
            return half_cosine(start, 1.0, progress.share / peak)
        return half_cosine(1.0, end, (progress.share - peak) / (1.0 - peak))

    return factor


def half_cosine(first: float, last: float, used: float) -> float:
    """From `first` (used = 0) to `last` (used = 1)."""
    return last + (first - last) * 0.5 * (1.0 + cos(pi * used))
