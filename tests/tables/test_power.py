"""dlbench.tables.power: numbers of seeds against published ones, scipy's noncentral t, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import nct
from scipy.stats import t as student

from dlbench.tables.power import MOST_SEEDS, Side, level_of, power, seeds_needed, side_of
from dlbench.tables.ranking import standing


def plain(variance: float = 1.0, count: int = 0) -> Side:
    return Side(variance=variance, count=count)


@pytest.mark.parametrize(("effect", "seeds"), [(0.5, 64), (0.8, 26)])
def test_the_sample_sizes_of_cohens_tables(effect: float, seeds: int) -> None:
    """Cohen 1992, "A Power Primer", table 2: two means, two-sided 5 %, power .80, seeds of each."""
    assert seeds_needed(effect, plain(), plain()) == seeds
    assert seeds_needed(-effect, plain(), plain()) == seeds


def test_the_power_is_that_of_the_noncentral_t() -> None:
    for n, gap, level in ((3, 2.0, 0.05), (10, 1.0, 0.05), (10, 1.5, 0.001), (200, 0.3, 0.05)):
        freedom, shift, critical = 2 * n - 2, gap / math.sqrt(2 / n), student.isf(level / 2, 2 * n - 2)
        expected = nct.sf(critical, freedom, shift) + nct.cdf(-critical, freedom, shift)
        assert power(gap, plain(), plain(), n, level) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("effect", [0.2, 0.35, 1.0, 1.4, 3.0])
def test_it_is_the_fewest_seeds_that_do(effect: float) -> None:
    def exact(n: int) -> float:
        freedom, shift, critical = 2 * n - 2, effect / math.sqrt(2 / n), student.isf(0.025, 2 * n - 2)
        return float(nct.sf(critical, freedom, shift) + nct.cdf(-critical, freedom, shift))

    n = seeds_needed(effect, plain(), plain())
    assert n is not None
    assert exact(n) >= 0.8 > exact(n - 1)


def test_a_simulated_test_finds_the_difference_as_often_as_promised() -> None:
    """Welch's t-tests of 20,000 pairs of samples with unequal spreads."""
    sides, gap = (plain(1.0), plain(4.0)), 1.5
    n = seeds_needed(gap, *sides)
    assert n is not None
    rng = np.random.default_rng(0)
    a, b = rng.normal(gap, 1, (20_000, n)), rng.normal(0, 2, (20_000, n))
    errors = [side.var(axis=1, ddof=1) / n for side in (a, b)]
    freedom = sum(errors) ** 2 / sum(error**2 / (n - 1) for error in errors)
    p = 2 * student.sf(np.abs(a.mean(axis=1) - b.mean(axis=1)) / np.sqrt(sum(errors)), freedom)
    assert (p < 0.05).mean() == pytest.approx(power(gap, *sides, n, 0.05), abs=0.015)
    assert power(gap, *sides, n, 0.05) >= 0.8 > power(gap, *sides, n - 1, 0.05)


def test_a_side_keeps_the_seeds_that_it_has() -> None:
    alone = seeds_needed(1.0, plain(), plain())
    assert alone == 17
    more = seeds_needed(1.0, plain(count=100), plain(count=3))
    assert more is not None
    assert 3 < more < alone


def test_a_lower_level_and_a_weaker_prior_need_more() -> None:
    counts = [seeds_needed(1.0, plain(), plain(), level) for level in (0.05, 0.01, 0.001)]
    assert counts == sorted(set(counts), key=lambda n: n or 0)
    assert (seeds_needed(3.0, Side(variance=1.0, prior=2.0), Side(variance=1.0, prior=2.0)) or 0) < (
        seeds_needed(3.0, plain(), plain()) or 0
    )


def test_what_no_number_of_seeds_separates() -> None:
    assert seeds_needed(0.0, plain(), plain()) is None
    assert seeds_needed(1e-6, plain(), plain()) is None
    assert seeds_needed(1.0, plain(math.nan), plain()) is None
    fixed = Side(error=1.0, degrees=1e9, count=3)
    assert seeds_needed(1.0, fixed, plain()) is None
    assert power(4.0, fixed, plain(), MOST_SEEDS, 0.05) == pytest.approx(0.979, abs=0.001)
    assert (seeds_needed(4.0, fixed, plain()) or 0) > 1


def test_the_sides_are_what_the_ranks_rest_on() -> None:
    """Variances 1, 4, 9 over three seeds: typical is their median over that of a sample variance with two degrees of
    freedom (ln 2); each is moderated by it with the prior's weight."""
    table = {
        "a": {0: 9.0, 1: 10.0, 2: 11.0}, "b": {0: 6.0, 1: 8.0, 2: 10.0}, "c": {0: 1.0, 1: 4.0, 2: 7.0},
        "same": {0: 5.0, 1: 5.0, 2: 5.0}, "one": {0: 3.0},
    }  # fmt: skip
    found = standing(table, True, {"same": 0.25})
    typical = 4 / math.log(2)
    assert found.typical == pytest.approx(typical)
    assert 0 < found.worth <= 2
    a = side_of(found, 0)
    assert a.variance == pytest.approx((found.worth * typical + 2 * 1.0) / (found.worth + 2))
    assert a.at(3) == (pytest.approx(found.error[0]), pytest.approx(found.degrees[0]))
    assert side_of(found, 3).at(99) == (0.25, 1e9)
    assert side_of(found, 4) == Side(variance=found.typical, prior=found.worth, count=1)


def test_the_level_is_holms_over_the_pairs_that_are_left_open() -> None:
    table = {"a": {0: 1.0, 1: 1.1, 2: 0.9}, "b": {0: 1.05, 1: 1.0, 2: 0.95}, "c": {0: -9.0, 1: -9.1, 2: -8.9},
             "one": {0: 1.0}}  # fmt: skip
    found = standing(table, True)
    assert found.better.sum() == 2  # a and b are better than c; a and b are left open
    assert level_of(found, 0, 1) == 0.05
    assert level_of(found, 0, 3) == 0.025
