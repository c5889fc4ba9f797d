"""Reduce on plateau, and stop at a smallest learning rate. No torch."""

from __future__ import annotations

from math import inf
from typing import Any

from dlbench import Factor, Progress, Stop, UsageError


def plateau(
    *,
    factor: float = 0.5,
    patience: int = 5,
    threshold: float = 1e-4,
    min_factor: float = 0.01,
    stop: bool = False,
) -> Factor:
    """Multiply by `factor` after `patience` + 1 evaluations in a row without a better validation score.

    Better means above the best by more than `threshold` times its size; NaN is never better. The factor stays at
    `min_factor` once it would fall below; with `stop`, training ends there instead, as in Dwivedi et al. (2023),
    "Benchmarking Graph Neural Networks".
    """
    if not 0 < factor < 1 or patience < 0 or threshold < 0 or not 0 <= min_factor < 1:
        raise UsageError(
            "plateau needs 0 < factor < 1, a patience and a threshold of at least 0, and 0 <= min_factor < 1"
        )
    if stop and min_factor == 0:
        raise UsageError("plateau[stop=true] needs a min_factor above 0, or training would never end")
    return _Plateau(factor, patience, threshold, min_factor, stop)


class _Plateau:
    """A function of the history alone; the last answer is kept for as long as no evaluation is added."""

    def __init__(self, factor: float, patience: int, threshold: float, min_factor: float, stop: bool) -> None:
        self.factor, self.patience, self.threshold = factor, patience, threshold
        self.min_factor, self.stop = min_factor, stop
        self._history: tuple[float, ...] = ()
        self._answer: Any = 1.0  # a number or Stop

    def __call__(self, progress: Progress) -> Any:
        history = progress.history
        if history is not self._history:
            if history != self._history:
                self._answer = self._walk(history)
            self._history = history
        return self._answer

    def _walk(self, history: tuple[float, ...]) -> Any:
        now, best, waited = 1.0, -inf, 0
        for score in history:
            if score > best + (self.threshold * abs(best) if best > -inf else 0.0):
                best, waited = score, 0
                continue
            waited += 1
            if waited > self.patience:
                now, waited = now * self.factor, 0
                if now < self.min_factor:
                    if self.stop:
                        return Stop
                    now = self.min_factor
        return now
