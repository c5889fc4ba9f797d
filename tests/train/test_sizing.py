"""Parameter budgets: the nearest width, what can't be resized, and what a record says."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from dlbench.contract.recipe import parse_settings, resolve
from dlbench.errors import NotApplicable, UsageError
from dlbench.train.sizing import fit_width
from workshop import cell, planned


class Square(nn.Module):
    """width x width parameters."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.zeros_(nn.Linear(width, width, bias=False).weight))


@pytest.mark.parametrize(("target", "width"), [(1, 1), (4, 2), (8, 3), (100, 10), (105, 10), (111, 11), (9900, 99)])
def test_the_nearest_width_is_found(target: int, width: int) -> None:
    assert fit_width(Square, target) == width


def test_what_is_too_large_at_any_width_is_not_applicable() -> None:
    with pytest.raises(NotApplicable, match=r"has 500 parameters at a width of 1"):
        fit_width(lambda width: nn.Linear(499, width), 100)


def test_a_count_far_from_the_target_is_not_applicable() -> None:
    with pytest.raises(NotApplicable, match=r"has 1001 parameters at its nearest width"):
        fit_width(lambda width: nn.Linear(1000 * width, width), 1500)


def test_what_width_does_not_change_is_not_applicable() -> None:
    with pytest.raises(NotApplicable, match=r"doesn't reach"):
        fit_width(lambda width: nn.Linear(4, 1), 100)


def test_where_heads_must_divide_the_width_its_multiples_are_tried() -> None:
    def build(width: int) -> nn.Module:
        if width % 4:
            raise NotApplicable(f"needs a width divisible by its 4 heads, not {width}")
        return Square(width)

    assert [fit_width(build, target) for target in (16, 60, 140, 10_000)] == [4, 8, 12, 100]
    with pytest.raises(NotApplicable, match="has 16 parameters at a width of 4"):
        fit_width(build, 5)


def test_what_no_width_can_build_says_why() -> None:
    def build(width: int) -> nn.Module:
        raise NotApplicable(f"needs images with a side of at least 8, not 4x4 (width {width})")

    with pytest.raises(NotApplicable, match=r"at least 8, not 4x4 \(width 1\)"):
        fit_width(build, 100)


def test_a_vision_transformer_can_be_resized() -> None:
    ran: dict[str, Any] = cell("vit_tiny", "digits", {"budget.params": "50k", "budget.steps": 1})
    assert ran["width"] == 44  # of the multiples of its 4 heads
    assert abs(ran["params"] - 50_000) < 2_500


@pytest.mark.parametrize(("text", "count"), [("100k", 100_000), ("1.5M", 1_500_000), ("2500", 2500)])
def test_a_size_may_end_in_k_or_m(text: str, count: int) -> None:
    assert resolve([("x", parse_settings([f"budget.params={text}"]))]).recipe.params == count


@pytest.mark.parametrize("text", ["0", "0.4", "many", "-1k", "100kk"])
def test_a_bad_size_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"budget.params"):
        parse_settings([f"budget.params={text}"])


def test_a_size_stands_beside_the_other_budget() -> None:
    resolved = resolve(
        [("task", {"budget.steps": 7}), ("suite", {"budget.params": "1k"}), ("cli", {"budget.epochs": 2})]
    )
    assert resolved.recipe.budget == ("epochs", 2)
    assert resolved.recipe.as_settings()["budget.params"] == 1000
    assert resolved.layers["budget.params"] == "suite"
    assert "budget.steps" not in resolved.layers
    assert "budget.params" not in resolve([]).recipe.as_settings()  # names of records made without it stay


def test_a_cell_records_the_width_and_the_count_reached() -> None:
    ran: dict[str, Any] = cell("mlp[depth=1]", "digits", {"budget.params": "3k", "budget.steps": 2})
    assert ran["width"] == 40
    assert ran["params"] == 40 * (64 + 1 + 10) + 10


def test_what_has_no_width_is_skipped_and_a_width_beside_a_budget_too() -> None:
    made = planned("perceptron", "digits", {"budget.params": "3k"})
    assert [skip.reason for skip in made.skips] == ["perceptron has no width that budget.params could change"]
    made = planned("mlp[width=3]", "digits", {"budget.params": "3k"})
    assert [skip.reason for skip in made.skips] == [
        "mlp[width=3] has a width of its own, which budget.params would change"
    ]


def test_a_size_changes_the_name_and_the_profile() -> None:
    def names(settings: dict[str, Any]) -> list[str]:
        return [job.name for job in planned("mlp", "digits", settings, profiles=True).jobs]

    assert set(names({})).isdisjoint(names({"budget.params": "3k"}))
