"""The suites of optimizers and schedules: what they hold equal, and that each of their cells can be planned."""

from __future__ import annotations

from pathlib import Path

import pytest

import dlbench_ingredients
from dlbench.contract.choice import Choice
from dlbench.plan.catalog import Catalog, discover
from dlbench.plan.plan import Request, plan
from dlbench_ingredients.suites import OPTIMIZERS, PROBLEMS, SCHEDULES, WHOLE

SUITES = {suite.name: suite for suite in dlbench_ingredients.dlbench_suites()}
VARIED = {"optimizer", "lr"}


@pytest.fixture(scope="module")
def found() -> Catalog:
    return discover(["dlbench_ingredients"])


@pytest.mark.parametrize("name", ["optimizers", "schedules"])
def test_every_cell_can_be_planned(found: Catalog, name: str) -> None:
    request = Request(
        suites=(SUITES[name],), data_root=Path("no-data"), cache=Path("no-cache"), profiles=False, models=(), tasks=(),
        settings={},
    )  # fmt: skip
    made = plan(found, request)
    assert made.skips == []
    assert len(made.jobs) == SUITES[name].seeds * len(SUITES[name].blocks)


def test_optimizers_differ_in_nothing_but_themselves() -> None:
    for problem in PROBLEMS:
        blocks = {block.variant: dict(block.set) for block in problem.blocks()}
        assert set(blocks) <= set(OPTIMIZERS)
        plain = [
            {key: value for key, value in settings.items() if key not in VARIED}
            for variant, settings in blocks.items()
            if variant not in WHOLE
        ]
        assert all(settings == plain[0] for settings in plain)
        assert plain[0]["schedule"] == "constant"
        assert plain[0]["select"] == "last"


def test_every_optimizer_is_tried_and_networks_meet_them_all() -> None:
    tried = {(problem.task, problem.model): set(problem.rates) for problem in PROBLEMS}
    assert len(tried) == 6
    for (_, model), names in tried.items():
        left = {"muon"} if model == "point" else set()
        assert names >= set(OPTIMIZERS) - set(WHOLE) - left
    assert tried["digits", "mlp[width=64]"] == set(OPTIMIZERS)


def test_lbfgs_evaluates_no_more_often_than_the_others_step() -> None:
    for problem in PROBLEMS:
        for block in problem.blocks():
            options = dict(Choice.parse(block.set["optimizer"]).options)
            if block.variant == "l-bfgs":
                assert block.set["budget.steps"] * options["max_eval"] <= problem.recipe["budget.steps"]


def test_schedules_differ_in_nothing_but_themselves() -> None:
    for task in {task for block in SUITES["schedules"].blocks for task in block.tasks}:
        mine = [dict(block.set) for block in SUITES["schedules"].blocks if task in block.tasks]
        assert [settings.pop("schedule") for settings in mine] == list(SCHEDULES.values())
        assert all(settings == mine[0] for settings in mine)
