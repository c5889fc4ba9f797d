"""dlbench.tables.stats against scipy and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from dlbench.tables.stats import (
    compare_scores,
    holm,
    mean_interval,
    metric_margin,
    metric_range,
    pareto_front,
    verdict_memory,
    verdict_metric,
)

NAN = float("nan")


def scores(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


# --- intervals --------------------------------------------------------------------------------------------


def test_interval_is_students_t():
    values = [0.91, 0.93, 0.90, 0.94]
    found = mean_interval(values)
    low, high = scipy.stats.t.interval(0.95, 3, loc=np.mean(values), scale=scipy.stats.sem(values))
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(values), low, high))
    assert found.count == 4


def test_no_interval_under_three_values_and_nan_never_counts():
    assert mean_interval([0.9, 0.8, NAN]).low is None
    assert mean_interval([0.9, 0.8, NAN]).mean == pytest.approx(0.85)
    assert mean_interval([0.9, 0.8, math.inf]).count == 2
    assert mean_interval([NAN]).mean is None
    assert mean_interval([0.1, 0.1, 0.1]).low == mean_interval([0.1, 0.1, 0.1]).high


def test_interval_stays_within_the_range_of_the_metric_and_reaches_it_only_without_spread():
    fraction, points, loss = (0.0, 1.0), (0.0, 100.0), (0.0, math.inf)
    for values, bounds in (
        ([0.9944, 0.9278, 0.9389], fraction), ([0.0, 0.0, 0.01], fraction), ([1.0, 1.0, 1 - 1e-12], fraction),
        ([0.0, 1.0, 1.0], fraction), ([99.0, 97.0, 99.9], points), ([0.0001, 0.0003, 0.0008], loss), ([0, 0, 1], loss),
    ):  # fmt: skip
        found = mean_interval(values, bounds)
        assert bounds[0] < found.low < found.mean < found.high < bounds[1], values
    for value in (0.0, 1.0):
        found = mean_interval([value] * 3, fraction)
        assert (found.low, found.high) == (value, value)
    tiny = mean_interval([1.0, 1.0, math.nextafter(1.0, 0.0)], fraction)
    assert 0 < tiny.low <= 1.0 == tiny.high


def test_interval_far_from_the_bounds_is_students_t():
    values = [0.5001, 0.5002, 0.4999]
    plain, inside = mean_interval(values), mean_interval(values, (0.0, 1.0))
    assert (inside.low, inside.high) == pytest.approx((plain.low, plain.high), abs=1e-7)
    above = mean_interval(values, (0.0, math.inf))
    assert (above.low, above.high) == pytest.approx((plain.low, plain.high), abs=1e-6)


def test_values_outside_a_range_say_that_there_is_none():
    values = [0.9, 1.1, 1.0]
    assert mean_interval(values, (0.0, 1.0)) == mean_interval(values)
    assert mean_interval([-0.1, 0.2, 0.1], (0.0, math.inf)) == mean_interval([-0.1, 0.2, 0.1])


def test_ranges_by_unit():
    assert metric_range("fraction", True) == metric_range("fraction", False) == (0.0, 1.0)
    assert metric_range("points", True) == (0.0, 100.0)
    assert metric_range("nats", False) == metric_range("", False) == (0.0, math.inf)
    assert metric_range("nats", True) == metric_range("", None) == (-math.inf, math.inf)


def near(values: np.ndarray, truth: float, *bounds: float) -> float:
    """How often the interval of each row holds the truth."""
    found = [mean_interval(row, bounds or (-math.inf, math.inf)) for row in values.tolist()]
    return sum(e.low <= truth <= e.high for e in found) / len(found)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize(
    ("share", "examples"), [(0.98, 200), (0.99, 500), (0.995, 500), (0.95, 100), (0.9, 30)], ids=lambda v: f"{v:g}"
)
def test_interval_of_fractions_near_the_ceiling_covers_the_truth_in_93_to_97_percent(share, examples, seeds):
    draws = np.random.default_rng(0).beta(share * examples, (1 - share) * examples, size=(4000, seeds))
    assert 0.93 <= near(draws, share, 0.0, 1.0) <= 0.97


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_interval_of_normal_scores_covers_the_truth_in_93_to_97_percent(seeds):
    draws = np.random.default_rng(0).normal(size=(2000, seeds))
    assert 0.93 <= near(draws, 0.0) <= 0.97
    assert 0.93 <= near(0.95 + 0.01 * draws, 0.95, 0.0, 1.0) <= 0.97
    assert 0.93 <= near(0.5 + 0.1 * draws, 0.5, 0.0, 1.0) <= 0.97
    assert 0.93 <= near(20 + 2 * draws, 20, 0.0, 100.0) <= 0.97
    assert 0.93 <= near(1.5 + 0.1 * draws, 1.5, 0.0, math.inf) <= 0.97
    assert 0.93 <= near(np.exp(0.3 * draws), math.exp(0.045), 0.0, math.inf) <= 0.97


# --- comparing scores -------------------------------------------------------------------------------------


def test_paired_t_test_over_shared_seeds_only():
    old = {0: 0.90, 1: 0.92, 2: 0.88, 3: NAN, 7: 0.1}
    new = {0: 0.91, 1: 0.94, 2: 0.89, 3: 0.5, 8: 0.2}
    found = compare_scores(old, new)
    expected = scipy.stats.ttest_rel([0.91, 0.94, 0.89], [0.90, 0.92, 0.88])
    interval = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert "3 shared seeds" in found.how


def test_welch_where_seeds_are_not_shared():
    old, new = [0.90, 0.92, 0.88], [0.95, 0.96, 0.99, 0.97]
    found = compare_scores(scores(*old), {10 + i: v for i, v in enumerate(new)})
    expected = scipy.stats.ttest_ind(new, old, equal_var=False)
    interval = expected.confidence_interval()
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.how.startswith("Welch")


def test_identical_scores_are_a_tie():
    found = compare_scores(scores(0.9, 0.8, 0.7), scores(0.9, 0.8, 0.7))
    assert (found.effect, found.p) == (0.0, 1.0)
    assert "identical" in found.how


def test_two_deterministic_models_differ_by_definition_from_three_seeds_on():
    found = compare_scores(scores(0.1, 0.1, 0.1), scores(0.3, 0.3, 0.3))
    assert found.p == 0.0
    assert (found.low, found.high) == pytest.approx((0.2, 0.2))
    assert compare_scores(scores(0.1, 0.1), scores(0.3, 0.3)).p is None


def test_equal_differences_of_models_that_vary_are_no_proof():
    """Three counts out of 360, shifted by two: the paired spread is 0, which is coarseness and not precision."""
    old, new = [340 / 360, 345 / 360, 350 / 360], [342 / 360, 347 / 360, 352 / 360]
    found = compare_scores(scores(*old), scores(*new))
    assert found.how.startswith("Welch")
    assert found.p == pytest.approx(scipy.stats.ttest_ind(new, old, equal_var=False).pvalue)
    assert found.p > 0.5


def test_one_seed_or_none_cannot_be_tested():
    assert compare_scores(scores(0.9), scores(0.95)).p is None
    assert compare_scores(scores(0.9), scores(0.95)).effect == pytest.approx(0.05)
    assert compare_scores({}, scores(0.9, 0.8)).effect is None
    assert compare_scores(scores(NAN, NAN), scores(0.9, 0.8)).effect is None


def test_holm_against_a_hand_worked_case():
    assert holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


# --- verdicts on metrics ----------------------------------------------------------------------------------


def metric_calls(gap: float, repeats: int, shared: float, seeds: int = 5) -> int:
    """How often a gap, in standard deviations, is called; `shared` is the correlation that shared seeds bring."""
    rng = np.random.default_rng(3)
    called = 0
    for _ in range(repeats):
        common = rng.normal(size=seeds) * math.sqrt(shared)
        old, new = (common + rng.normal(size=seeds) * math.sqrt(1 - shared) for _ in range(2))
        found = compare_scores(scores(*(0.8 + 0.01 * old)), scores(*(0.8 + 0.01 * (new + gap))))
        called += verdict_metric(found, higher_is_better=True, margin=0.001).call != "can't tell"
    return called


def test_gap_of_three_standard_deviations_is_called():
    assert metric_calls(3.0, 500, shared=0.0) >= 450
    assert metric_calls(3.0, 500, shared=0.5) >= 490


def test_no_gap_is_not_called():
    assert metric_calls(0.0, 1000, shared=0.0) <= 65
    assert metric_calls(0.0, 1000, shared=0.5) <= 65
    assert metric_calls(0.0, 1000, shared=0.0, seeds=3) <= 65


def test_metric_verdict_needs_significance_margin_and_direction():
    found = compare_scores(scores(0.5, 0.6, 0.7), scores(0.5102, 0.6100, 0.7101))
    assert verdict_metric(found, higher_is_better=True, margin=0.001).call == "better"
    assert verdict_metric(found, higher_is_better=False, margin=0.001).call == "worse"
    within = verdict_metric(found, higher_is_better=True, margin=0.02)
    assert within.call == "can't tell"
    assert "margin" in within.why
    assert verdict_metric(found, higher_is_better=True, margin=0.001, p=0.2).call == "can't tell"
    untested = verdict_metric(compare_scores(scores(0.5), scores(0.9)), higher_is_better=True, margin=0.001)
    assert untested.call == "can't tell"


def test_margins_by_unit():
    assert metric_margin("fraction", 0.5) == 0.001
    assert metric_margin("points", 27.0) == 0.1
    assert metric_margin("nats", -200.0) == pytest.approx(0.2)


# --- verdicts on memory -----------------------------------------------------------------------------------


def test_memory_verdict_is_an_exact_threshold():
    assert verdict_memory(1000, 1010).call == "can't tell"
    assert verdict_memory(1000, 1011).call == "worse"
    assert verdict_memory(1000, 989).call == "better"
    assert verdict_memory(None, 989).call == "can't tell"


# --- Pareto fronts ----------------------------------------------------------------------------------------


def test_pareto_front():
    quality = [0.9, 0.8, 0.85, 0.9, 0.95, NAN]
    cost = [2.0, 1.0, 2.5, 2.0, 9.0, 0.1]
    assert pareto_front(quality, cost) == [True, True, False, True, True, False]
    assert pareto_front([], []) == []


def test_pareto_front_of_several_costs():
    """The third is beaten by the first only in two of three; the fourth in all by the second."""
    quality, params, latency = [0.9, 0.8, 0.7, 0.8], [10.0, 5.0, 10.0, 5.0], [3.0, 3.0, 1.0, 4.0]
    assert pareto_front(quality, params, latency) == [True, True, True, False]
    assert pareto_front(quality) == [True, False, False, False]
