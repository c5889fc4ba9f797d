"""Schedules that look at the validation scores: reduce on plateau, reduce when the change is small. No torch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
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

    def walk(history: tuple[float, ...]) -> Any:
        now, best, waited = 1.0, -inf, 0
        for score in history:
            if score > best + (threshold * abs(best) if best > -inf else 0.0):
                best, waited = score, 0
                continue
            waited += 1
            if waited > patience:
                now, waited = now * factor, 0
                if now < min_factor:
                    if stop:
                        return Stop
                    now = min_factor
        return now

    return _OfHistory(walk)


def threshold(*, change: float = 0.01, factor: float = 0.5, relative: bool = True, min_factor: float = 0.01) -> Factor:
    """Multiply by `factor` after each evaluation whose validation score differs from the last one's by less than
    `change`, up or down; `relative`: times the size of the last one (annealing in Ruder, 2016, section 2.2).

    Where `plateau` asks for a new best, this asks for movement: it anneals as soon as training has settled, also where
    scores still rise a little, and not while they jump. The factor stays at `min_factor` once it would fall below.
    """
    if change <= 0 or not 0 < factor < 1 or not 0 <= min_factor < 1:
        raise UsageError("threshold needs a change above 0, 0 < factor < 1, and 0 <= min_factor < 1")

    def walk(history: tuple[float, ...]) -> float:
        now = 1.0
        for last, score in pairwise(history):
            if abs(score - last) < change * (abs(last) if relative else 1.0):
                now = max(min_factor, now * factor)
        return now

    return _OfHistory(walk)


class _OfHistory:
    """A function of the history alone; the last answer is kept for as long as no evaluation is added."""

    def __init__(self, walk: Callable[[tuple[float, ...]], Any]) -> None:
        self._walk = walk
        self._history: tuple[float, ...] = ()
        self._answer: Any = 1.0  # a number or Stop

    def __call__(self, progress: Progress) -> Any:
        history = progress.history
        if history is not self._history:
            if history != self._history:
                self._answer = self._walk(history)
            self._history = history
        return self._answer
