"""A race: two programs in turns, in fresh processes, until the ratio of their times is known well enough.

A busy machine's pace changes within milliseconds. So both processes of a pair live at the same time and work in turns
of a few milliseconds (`dlbench.measure.turns`), and each pair gives one log ratio: the median over its turns. Pairs
take turns in who begins. What is said rests on these ratios alone: their Hodges-Lehmann estimate with the interval of
Wilcoxon's signed ranks (Hollander & Wolfe 1999, "Nonparametric Statistical Methods"), because some pairs are disturbed
far more than others. The race is ended by the interval's width or by time, never by what the ratio is, and the interval
holds at `CONFIDENCE`; so looking at it after each pair doesn't find differences that aren't there.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import combinations_with_replacement
from statistics import NormalDist, median
from typing import Any, Literal

from ..contract.executor import Message
from ..contract.specs import ProfileProtocol
from ..errors import DlbenchError
from ..measure.turns import MOST
from .local import LocalExecutor
from .run import Limits, outcome_of

CONFIDENCE = 0.99
FEWEST = 8
"""The least number of pairs that gives an interval at `CONFIDENCE`."""
SHORT = ProfileProtocol(rounds=5, block_s=0.02, warmup_s=0.02, launches=1)

Clock = Literal["cpu_s_per_step", "s_per_step"]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A name for people, a profile's job as a child gets it, and who runs it: an executor of its own."""

    name: str
    message: Message
    executor: LocalExecutor


@dataclass
class Standing:
    """The log ratio of each pair, first over second, and the median seconds per step of both in it."""

    logs: list[float] = field(default_factory=list)
    seconds: list[tuple[float, float]] = field(default_factory=list)

    @property
    def pairs(self) -> int:
        return len(self.logs)

    @property
    def ratio(self) -> float:
        """The first's time over the second's; NaN before the first pair."""
        return math.exp(estimate(self.logs)) if self.pairs else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Of the ratio, at CONFIDENCE; from 0 to infinity under FEWEST pairs."""
        if self.pairs < FEWEST:
            return 0.0, math.inf
        low, high = signed_rank_interval(self.logs)
        return math.exp(low), math.exp(high)

    @property
    def verdict(self) -> Literal["faster", "slower", "can't tell"]:
        low, high = self.interval
        return "slower" if low > 1 else "faster" if high < 1 else "can't tell"

    def known_within(self, share: float) -> bool:
        """Whether the interval is narrower than the ratio times (1 +- share)."""
        low, high = self.interval
        return low > 0 and math.log(high / low) <= 2 * math.log1p(share)


def race(
    contenders: tuple[Contender, Contender],
    *,
    clock: Clock,
    within: float,
    time_s: float,
    watch: Callable[[Standing], None] = lambda standing: None,
) -> Standing:
    """Run pairs until the ratio is known `within` this share, or until another pair would last beyond `time_s`; a first
    pair doesn't count, nor does its time. `watch` is told after each pair. Raises DlbenchError where one fails."""
    _pair(contenders, 0, clock, time_s)
    standing, begun, longest = Standing(), time.monotonic(), 0.0
    while not standing.known_within(within):
        start = time.monotonic()
        if start + longest - begun > time_s:
            break
        first, second = _pair(contenders, standing.pairs % 2, clock, time_s)
        standing.logs.append(median(math.log(a / b) for a, b in zip(first, second, strict=False)))
        standing.seconds.append((median(first), median(second)))
        longest = max(longest, time.monotonic() - start)
        watch(standing)
    return standing


def estimate(values: Sequence[float]) -> float:
    """The Hodges-Lehmann estimate of a symmetric distribution's centre."""
    return median(_pair_means(values))


def signed_rank_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of the centre of a symmetric distribution: the means of two values of which as many lie below as
    Wilcoxon's statistic (about normal) seldom falls under."""
    count, means = len(values), sorted(_pair_means(values))
    error = math.sqrt(count * (count + 1) * (2 * count + 1) / 24)
    outside = max(0, math.floor(len(means) / 2 - NormalDist().inv_cdf((1 + confidence) / 2) * error))
    return means[outside], means[-1 - outside]


def _pair_means(values: Sequence[float]) -> Iterator[float]:
    return ((a + b) / 2 for a, b in combinations_with_replacement(values, 2))


def _pair(
    contenders: tuple[Contender, Contender], begins: int, clock: Clock, time_s: float
) -> tuple[list[float], list[float]]:
    """Seconds of a training step of both, turn by turn. Who is done lets the other go on without it, so that none waits
    for one that failed or that knows nothing of turns, as an old checkout may."""
    with _pipes() as (paths, ends), ThreadPoolExecutor(2) as pool:

        def run(index: int) -> list[float]:
            turns = {"mine": paths[index], "theirs": paths[1 - index]}
            try:
                return _reading(contenders[index], turns, clock, time_s)
            finally:
                os.write(ends[1 - index], b"." * MOST)

        os.write(ends[begins], b".")
        first, second = [pool.submit(run, index) for index in (0, 1)]
        return first.result(), second.result()


@contextmanager
def _pipes() -> Iterator[tuple[list[str], list[int]]]:
    """Two named pipes, and this process's ends, which keep what is written until it is read."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("first", "second")]
        for path in paths:
            os.mkfifo(path)
        ends = [os.open(path, os.O_RDWR) for path in paths]
        try:
            yield paths, ends
        finally:
            for end in ends:
                os.close(end)


def _reading(contender: Contender, turns: dict[str, str], clock: Clock, time_s: float) -> list[float]:
    """Seconds of a training step in a fresh process, turn by turn."""
    limits = Limits(timeout_s=60 + time_s)
    job: dict[str, Any] = {**contender.message, "protocol": asdict(SHORT), "turns": turns, **asdict(limits)}
    (done,) = contender.executor.run([job], lambda point: None)
    result = outcome_of(done, limits)
    if result["status"] != "ok":
        where = f" (at {result['where']})" if result["where"] else ""
        raise DlbenchError(f"{contender.name}: {result['status']}: {result['reason']}{where}")
    return list(result["body"]["train"][clock])
