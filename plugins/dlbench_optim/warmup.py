"""Linear warm-up, alone and in front of any other schedule. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dlbench import Factor, Progress, UsageError

Body = Callable[[Progress], float]


@dataclass(frozen=True, kw_only=True)
class Warmup:
    """The learning rate rises linearly from 0 over the first `steps`, or `epochs`, or `share` of the budget (at most
    one of them is set; all zero means no warm-up).

    Counted in steps, the first step has 1 / steps and the last one 1. Counted in epochs or in share, the factor is that
    of the time when the step begins, so the very first step has 0.
    """

    steps: int = 0
    epochs: float = 0.0
    share: float = 0.0

    def __post_init__(self) -> None:
        given = [name for name in ("steps", "epochs", "share") if getattr(self, name)]
        if len(given) > 1:
            raise UsageError(f"a schedule takes one warm-up, not {' and '.join(f'warmup_{name}' for name in given)}")
        if min(self.steps, self.epochs, self.share) < 0 or self.share >= 1:
            raise UsageError("a warm-up is at least 0, and warmup_share is less than 1")

    def __bool__(self) -> bool:
        return bool(self.steps or self.epochs or self.share)

    def factor(self, progress: Progress) -> float:
        """0 to 1; 1 from the end of the warm-up on."""
        if self.steps:
            return min(1.0, (progress.step + 1) / self.steps)
        if self.epochs:
            return min(1.0, progress.epoch / self.epochs)
        return min(1.0, progress.share / self.share) if self.share else 1.0

    def rest(self, progress: Progress) -> float:
        """How much of the budget after the warm-up is used, 0 to 1.

        Where the warm-up is in steps or epochs, the share at its end follows from the pace so far, which is exact when
        the budget is counted in steps or epochs.
        """
        end = self.share
        if self.steps:
            end = self.steps * progress.share / progress.step if progress.step else 1.0
        elif self.epochs:
            end = self.epochs * progress.share / progress.epoch if progress.epoch else 1.0
        return min(1.0, max(0.0, (progress.share - end) / (1.0 - end))) if end < 1.0 else 0.0

    def times(self, body: Body) -> Factor:
        """`body`, which does not wait for the warm-up, multiplied by it."""
        if not self:
            return body
        return lambda progress: self.factor(progress) * body(progress)

    def then(self, curve: Callable[[float], float]) -> Factor:
        """The warm-up, then `curve` (of 0 to 1) over the rest of the budget."""
        if not self:
            return lambda progress: curve(progress.share)

        def factor(progress: Progress) -> float:
            ramp = self.factor(progress)
            return ramp if ramp < 1.0 else curve(self.rest(progress))

        return factor


def constant(*, warmup_steps: int = 0, warmup_epochs: float = 0.0, warmup_share: float = 0.0) -> Factor:
    """The learning rate itself, after an optional warm-up."""
    return Warmup(steps=warmup_steps, epochs=warmup_epochs, share=warmup_share).times(lambda progress: 1.0)


def inverse_sqrt(*, warmup_steps: int = 1000) -> Factor:
    """min(n / w, sqrt(w / n)) with n counted from 1: the Transformer's schedule, with `lr` as its peak at n = w."""
    if warmup_steps < 1:
        raise UsageError("inverse_sqrt needs warmup_steps of at least 1")

    def factor(progress: Progress) -> float:
        n = progress.step + 1
        return min(n / warmup_steps, (warmup_steps / n) ** 0.5)

    return factor
