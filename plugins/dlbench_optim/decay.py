"""Schedules that decay with the epoch: step, exponential, inverse time. No torch."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from math import exp, floor, log

from dlbench import Factor, UsageError

from .warmup import Warmup

ROUNDING = 1e-9  # an epoch computed as steps / steps_per_epoch may fall short of a whole number by rounding


def step(
    *,
    every: float | None = None,
    after: float | None = None,
    milestones: str | float | None = None,
    gamma: float = 0.1,
    warmup_steps: int = 0,
    warmup_epochs: float = 0.0,
) -> Factor:
    """Multiply by `gamma` every so many epochs, or at milestones: epochs joined by "-", as in `100-150`.

    `after`: with `every`, the first time is after so many epochs, as in Zaremba, Sutskever and Vinyals (2014),
    "Recurrent Neural Network Regularization". With neither `every` nor milestones, it decays at a half and at three
    quarters of the budget, as residual networks are trained on CIFAR (He et al., 2016).
    """
    warmup = Warmup(steps=warmup_steps, epochs=warmup_epochs)
    if every is not None and milestones is not None:
        raise UsageError("the schedule step takes every or milestones, not both")
    if after is not None and (every is None or after < 0):
        raise UsageError("the schedule step takes after, of at least 0, only with every")
    if milestones is not None:
        at = parse_milestones(milestones)
        return warmup.times(lambda progress: gamma ** bisect_right(at, progress.epoch + ROUNDING))
    if every is None:
        return warmup.times(lambda progress: gamma ** bisect_right((0.5, 0.75), progress.share + ROUNDING))
    if every <= 0:
        raise UsageError("the schedule step needs every above 0")
    first = every if after is None else after
    return warmup.times(lambda progress: gamma ** max(0, floor((progress.epoch - first) / every + ROUNDING) + 1))


def exponential(
    *, gamma: float = 0.95, k: float | None = None, warmup_steps: int = 0, warmup_epochs: float = 0.0
) -> Factor:
    """gamma ** epoch, smoothly; `k`, where given, replaces gamma by e ** -k."""
    if k is None and not 0 < gamma <= 1:
        raise UsageError("the schedule exponential needs gamma above 0 and at most 1")
    rate = -log(gamma) if k is None else k
    return Warmup(steps=warmup_steps, epochs=warmup_epochs).times(lambda progress: exp(-rate * progress.epoch))


def inverse_time(*, k: float = 1.0, per: str = "epoch", warmup_steps: int = 0, warmup_epochs: float = 0.0) -> Factor:
    """1 / (1 + k t), with t in epochs or, with `per=step`, in steps (Robbins and Monro, 1951)."""
    warmup = Warmup(steps=warmup_steps, epochs=warmup_epochs)
    if per == "epoch":
        return warmup.times(lambda progress: 1.0 / (1.0 + k * progress.epoch))
    if per == "step":
        return warmup.times(lambda progress: 1.0 / (1.0 + k * progress.step))
    raise UsageError(f"the schedule inverse_time takes per=epoch or per=step, not {per!r}")


def parse_milestones(text: str | float) -> tuple[float, ...]:
    """`"100-150"` or a single number; raises UsageError unless they are above 0 and ascending."""
    try:
        at = tuple(float(part) for part in str(text).split("-"))
    except ValueError:
        at = ()
    if not at or at[0] <= 0 or any(a >= b for a, b in pairwise(at)):
        raise UsageError(f"can't read the milestones {text!r}: write ascending epochs as in 100-150")
    return at
