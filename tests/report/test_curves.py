"""Curves of rows: what is averaged, what is thinned, and ranks and levels against a count by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dlbench.report.curves import BUDGETS, curve_of, levels, ranks_after, thinned
from dlbench.tables.groups import Group, groups
from factories import cell


def points(values: list[float], every: int = 10, **more: Any) -> list[dict[str, Any]]:
    return [
        {"step": every * i, "seconds": float(i), "flops": None, "loss": 1.0, "val": {"accuracy": value}, **more}
        for i, value in enumerate(values, start=1)
    ]  # fmt: skip


def group(*curves: list[list[dict[str, Any]]], name: str = "mlp", **changes: Any) -> Group:
    """A row of one cell for each list of folds."""
    who = {"name": name, "digest": name}
    (found,) = groups({"quick": [cell(0.9, seed=i, curves=c, model=who, **changes) for i, c in enumerate(curves)]})
    return found


def test_a_rows_curve_is_the_mean_over_folds_then_seeds() -> None:
    found = curve_of(group([points([0.2, 0.4]), points([0.4, 0.8, 0.9])], [points([0.5, 0.8, 0.9], every=20)]))
    assert found is not None
    assert found.points["val"] == pytest.approx([(0.3 + 0.5) / 2, (0.6 + 0.8) / 2])
    assert (found.points["low"], found.points["high"]) == (pytest.approx([0.3, 0.6]), pytest.approx([0.5, 0.8]))
    assert found.points["step"] == [15, 30]
    assert "flops" not in found.points, "a clock that isn't measured is left out"


def test_the_best_so_far_counts_unless_the_recipe_judges_the_last() -> None:
    values = [0.5, 0.9, 0.7]
    best = curve_of(group([points(values)]))
    last = curve_of(group([points(values)], recipe={"select": "last"}))
    assert best is not None
    assert last is not None
    assert best.seeds[0]["best"] == [0.5, 0.9, 0.9]
    assert last.seeds[0]["best"] == values


@pytest.mark.parametrize("curves", [[], [[]], [points([0.5])], [[{"step": 1, "val": {}}] * 3], ["no list"], [[None]]])
def test_without_two_evaluations_there_is_no_curve(curves: Any) -> None:
    assert curve_of(group(curves)) is None


def test_values_that_are_not_finite_stay_and_are_passed_over() -> None:
    found = curve_of(group([points([math.nan, 0.5, math.inf, 0.4])]))
    assert found is not None
    assert math.isnan(found.points["val"][0])
    assert found.points["val"][2] == math.inf
    huge = curve_of(group([points([0.1, 0.2], loss=10**400)]))
    assert huge is not None
    assert huge.points["loss"] == [math.inf, math.inf]


def test_thinning_keeps_ends_and_extremes() -> None:
    values = [math.sin(i / 7) + i / 500 for i in range(1000)]
    values[333], values[777] = 9.0, -9.0
    whole = {"val": values, "step": [float(i) for i in range(1000)]}
    thin = thinned(whole, 40)
    assert len(thin["val"]) == len(thin["step"]) <= 40
    assert {0.0, 333.0, 777.0, 999.0} <= set(thin["step"])
    assert [values[int(step)] for step in thin["step"]] == thin["val"]
    assert sum(step < 100 for step in thin["step"]) >= 10, "most happens early"
    assert thinned(whole, 1000) == whole


def test_ranks_after_a_budget() -> None:
    """The fast row leads until the slow one, which starts later, has overtaken it; the third's training ends early."""
    fast = curve_of(group([points([0.5, 0.6, 0.6, 0.6])]))
    slow = curve_of(group([points([0.4, 0.9], every=20)]))
    short = curve_of(group([points([0.3, 0.35])]))
    budgets, ranks = ranks_after([fast, slow, short, None], "step", True)
    assert len(budgets) == BUDGETS
    assert (budgets[0], budgets[-1]) == (10, 40)
    at = {step: max(i for i, b in enumerate(budgets) if b < step + 0.01) for step in (10, 39, 40)}
    assert [r[at[10]] for r in ranks] == [1, None, 2, None]
    assert [r[at[39]] for r in ranks] == [1, 2, 3, None]
    assert [r[at[40]] for r in ranks] == [2, 1, 3, None]
    _, turned = ranks_after([fast, slow, short, None], "step", False)
    assert [r[at[40]] for r in turned] == [2, 3, 1, None]


def test_ranks_need_two_rows_with_the_clock() -> None:
    one = curve_of(group([points([0.5, 0.6])]))
    assert ranks_after([one, None], "step", True) == ([], [])
    assert ranks_after([one, one], "flops", True) == ([], [])


def test_levels_are_the_tasks_own_or_lie_between_floor_and_best() -> None:
    own = group([points([0.3, 0.9])], task={"milestones": [0.8, 0.5], "reference": {"value": 0.7, "source": "x"}})
    assert levels([own], [curve_of(own)]) == ([0.5, 0.7, 0.8], True)
    other = group([points([0.3, 0.9])], task={"floor": 0.1})
    assert levels([other], [curve_of(other)]) == ([0.5, 0.74, 0.82, 0.86], False)
    flat = group([points([0.1, 0.1])], task={"floor": 0.1})
    assert levels([flat], [curve_of(flat)]) == ([], False)
    assert levels([flat], [None]) == ([], False)
