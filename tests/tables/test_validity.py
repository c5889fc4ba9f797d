"""What a comparison says, held against what is known to be true: the same model twice, and one made slower."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import pytest

from dlbench import ProfileProtocol
from dlbench.execute.local import LocalExecutor
from dlbench.plan.catalog import discover
from dlbench.tables.comparison import Change, compare
from dlbench.tables.speeds import Launches as Side
from dlbench.tables.speeds import compare_speeds, felt, verdict_speed
from dlbench.tables.stats import Call
from factories import cells
from workshop import message, planned

PLUGIN = Path(__file__).parents[1] / "spinning.py"
TINY = ProfileProtocol(rounds=3, block_s=0.03, warmup_s=0.02, launches=3)
REPEATS = 10
ROUNDS = 100
SLOWER = 1.0  # what three launches this short find on a machine with three times more work than cores


class Reading(NamedTuple):
    """Of one launch, in processor seconds: a training step, the median over its blocks, and the calibration."""

    step_s: float
    calibration_s: float


class Launches:
    """Launches of profiles of the working model on digits, through the executor, as a run makes them."""

    def __init__(self, folder: Path) -> None:
        self.catalog, self.folder, self.drawn = discover([str(PLUGIN)]), folder, 0
        self.executor = LocalExecutor(("sklearn.datasets", "sklearn.model_selection"), jobs=2)

    def draw(self, rounds: list[int]) -> list[Reading]:
        """One launch for each, in this order."""
        found: dict[str, Reading] = {}
        jobs = list(self._jobs(rounds))
        for done in self.executor.run(jobs, lambda point: None):
            assert done["result"] is not None, done
            assert done["result"]["status"] == "ok", done["result"]
            body = done["result"]["body"]
            found[done["id"]] = Reading(
                median(body["train"]["cpu_s_per_step"]),
                felt(body["train"]["cpu_s_per_step"], body["calibration"]["train"]["cpu_s"]),
            )
        return [found[job["id"]] for job in jobs]

    def _jobs(self, rounds: list[int]) -> Iterator[dict]:
        protocol = {"rounds": TINY.rounds, "block_s": TINY.block_s, "warmup_s": TINY.warmup_s, "launches": 1}
        for count in rounds:
            self.drawn += 1
            made = planned(f"working[rounds={count}]", "digits", {"batch_size": 32}, among=self.catalog)
            log = str(self.folder / f"{self.drawn}.log")
            yield {
                **message(made, self.catalog), "id": str(self.drawn), "log": log, "seed": None, "protocol": protocol,
            }  # fmt: skip


def triples(launches: list[Reading]) -> list[list[Reading]]:
    """As many launches as a profile has, again and again, none of them twice."""
    return [launches[at : at + TINY.launches] for at in range(0, len(launches), TINY.launches)]


def calls(old: list[list[Reading]], new: list[list[Reading]]) -> list[Call]:
    """Verdicts on these pairs, as on the speeds of one table."""

    def side(launches: list[Reading]) -> Side:
        return Side(seconds=[x.step_s for x in launches], calibration=[x.calibration_s for x in launches])

    pairs = [(side(a), side(b)) for a, b in zip(old, new, strict=True)]
    return [verdict_speed(comparison).call for comparison in compare_speeds(pairs)]


@pytest.mark.timing
@pytest.mark.slow
def test_equal_models_are_not_called_different_and_a_slower_one_is(tmp_path: Path) -> None:
    """Ten comparisons of a model with itself (five of the one, five of its slowed copy), and ten of the one with the
    other. Launches of both are drawn in turns."""
    launches = Launches(tmp_path)
    with launches.executor:
        drawn = launches.draw([ROUNDS, round(ROUNDS * (1 + SLOWER))] * (TINY.launches * REPEATS))
    fast, slow = triples(drawn[0::2]), triples(drawn[1::2])
    equal = [*calls(fast[0::2], fast[1::2]), *calls(slow[0::2], slow[1::2])]
    different = calls(fast, slow)
    spread = [float(np.std(np.log([reading.step_s for reading in side]))) for side in (drawn[0::2], drawn[1::2])]
    assert len(equal) == len(different) == REPEATS
    assert equal.count("can't tell") >= REPEATS - 1, (equal, spread)
    assert different.count("worse") >= REPEATS - 1, (different, spread)


def metric_change(gap: float, seed: int) -> Change:
    """The metric's change between two models with the same five seeds: differences of standard deviation 1 (in units
    of 0.005) about a mean of `gap`."""
    generator = np.random.default_rng(seed)
    unit = 0.005
    shared = 0.8 + unit * generator.standard_normal(5)  # what a seed does to both
    noise = unit * generator.standard_normal((2, 5)) / math.sqrt(2)
    old, new = shared + noise[0], shared + noise[1] + gap * unit
    (change,) = [
        c for c in compare({"quick": cells(old.tolist())}, {"quick": cells(new.tolist())}) if c.quantity == "accuracy"
    ]
    return change


def test_a_gap_of_three_standard_deviations_is_called_with_five_seeds() -> None:
    found = [metric_change(3.0, seed).verdict for seed in range(100)]
    assert found.count("better") >= 95
    assert found.count("worse") == 0
    assert [metric_change(-3.0, seed).verdict for seed in range(100)].count("worse") >= 95


def test_no_gap_is_not_called() -> None:
    called = [metric_change(0.0, seed).verdict != "can't tell" for seed in range(300)]
    assert sum(called) / len(called) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(called))
