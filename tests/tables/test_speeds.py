"""Verdicts on the speeds of two runs: against scipy, and by simulation of machines that grow slower."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from dlbench.tables.speeds import DRIFT_SHARE, Launches, compare_speeds, verdict_speed

Side = list[list[float]]
SPEEDS, TRIALS = 20, 200


def side(seconds: list[float], calibration: list[float] | None = None) -> Launches:
    return Launches(seconds=seconds, calibration=[0.005] * len(seconds) if calibration is None else calibration)


def test_one_comparison_is_the_pooled_t_test_on_logs_relative_to_the_calibration():
    old, new = [1.00, 1.02, 0.99], [1.20, 1.22, 1.19]
    pace = [0.005, 0.0049, 0.0051], [0.0051, 0.0050, 0.0049]
    (found,) = compare_speeds([(side(old, pace[0]), side(new, pace[1]))])
    relative = [np.log(times) - np.log(clock) for times, clock in zip((old, new), pace, strict=True)]
    drift = abs(np.log(pace[1]).mean() - np.log(pace[0]).mean())
    expected = scipy.stats.ttest_ind(relative[1] - DRIFT_SHARE * drift, relative[0])
    assert found.p == pytest.approx(expected.pvalue)
    assert found.effect == pytest.approx(math.exp(relative[1].mean() - relative[0].mean()))
    assert found.low == pytest.approx(math.exp(expected.confidence_interval().low))
    assert verdict_speed(found).call == "worse"
    (back,) = compare_speeds([(side(new, pace[1]), side(old, pace[0]))])
    assert verdict_speed(back).call == "better"
    assert (back.low, back.high) == pytest.approx((1 / found.high, 1 / found.low))


def test_verdicts_that_are_not_given():
    def why(old: Launches, new: Launches) -> str:
        verdict = verdict_speed(compare_speeds([(old, new)])[0])
        assert verdict.call == "can't tell"
        return verdict.why

    assert "within 5%" in why(side([1.0, 1.001, 0.999]), side([1.03, 1.031, 1.029]))
    assert why(side([1.0]), side([2.0])) == "one launch can't be tested"
    assert why(side([]), side([2.0])) == "not measured on both sides"
    assert "no calibration" in why(side([1.0, 1.0], []), side([2.0, 2.0]))


def test_launches_that_do_not_vary_are_exact():
    (equal, slower) = compare_speeds([(side([1.0, 1.0]), side([1.0, 1.0])), (side([1.0, 1.0]), side([1.2, 1.2]))])
    assert (equal.p, slower.p) == (1.0, 0.0)


# --- by simulation ----------------------------------------------------------------------------------------


def runs(
    generator: np.random.Generator, drift: float, *, noise: float = 0.02, unequal: float = 0.0, slower: float = 0.0
) -> list[tuple[Launches, Launches]]:
    """Two runs of SPEEDS programs, three launches each. The machine's pace differs by `drift` between them, either way,
    and by 3 % (standard deviation) from launch to launch; programs feel it from about 0.7 to 1.3 times; the two
    readings beside a pass see it with 1 % of noise. `noise` is a launch's own, from program to program by a factor of
    standard deviation `unequal` in logarithms. The first program is slower by `slower`."""
    sign = generator.choice([-1, 1])
    pace = 0.03 * generator.standard_normal((2, 1, 3)) + sign * drift * np.array([0.0, 1.0])[:, None, None]
    feels = 1 + 0.15 * generator.standard_normal((1, SPEEDS, 1))
    spread = noise * np.exp(unequal * generator.standard_normal((1, SPEEDS, 1)))
    times = feels * pace + spread * generator.standard_normal((2, SPEEDS, 3))
    times[1, 0] += math.log1p(slower)
    clocks = pace + 0.01 * generator.standard_normal((2, SPEEDS, 3))
    old, new = (
        [
            Launches(seconds=t.tolist(), calibration=c.tolist())
            for t, c in zip(np.exp(times[i]), np.exp(clocks[i]), strict=True)
        ]
        for i in (0, 1)
    )
    return list(zip(old, new, strict=True))


def calls(pairs: list[tuple[Launches, Launches]]) -> list[str]:
    return [verdict_speed(comparison).call for comparison in compare_speeds(pairs)]


@pytest.mark.parametrize("unequal", [0.0, 0.5])
@pytest.mark.parametrize("drift", [0.0, 0.05, 0.10, 0.15])
def test_a_gate_over_equal_speeds_holds_when_the_machine_drifts(drift: float, unequal: float):
    """Any difference among 20 is false. Tests of each row by itself on its plain times find one in 16 % of comparisons
    without drift and nearly always at 15 %."""
    generator = np.random.default_rng(1)
    false = sum(set(calls(runs(generator, drift, unequal=unequal))) != {"can't tell"} for _ in range(TRIALS))
    assert false / TRIALS <= 0.05


@pytest.mark.parametrize(("slower", "drift", "least"), [(0.2, 0.05, 0.9), (0.3, 0.1, 0.95), (0.3, 0.15, 0.95)])
def test_what_drift_cannot_explain_is_found(slower: float, drift: float, least: float):
    generator = np.random.default_rng(2)
    found = sum(calls(runs(generator, drift, slower=slower))[0] == "worse" for _ in range(TRIALS))
    assert found / TRIALS >= least


@pytest.mark.parametrize("noise", [0.005, 0.05, 0.2])
def test_false_alarms_are_rare_however_noisy_the_launches(noise: float):
    """One speed alone, and no drift but from launch to launch."""
    generator = np.random.default_rng(3)
    pairs = [pair for _ in range(50) for pair in runs(generator, 0.0, noise=noise)]
    alarms = sum(calls([pair]) != ["can't tell"] for pair in pairs)
    assert alarms / len(pairs) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(pairs))
