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
    rows = sum(len(block.treatments) for block in SUITES[name].blocks)
    assert len(made.jobs) == SUITES[name].seeds * rows
    problems = {(str(job.task), job.variant, str(job.model)) for job in made.jobs}
    assert len({problem[:2] for problem in problems}) == len(problems), "a table for each problem"


def test_optimizers_differ_in_nothing_but_themselves() -> None:
    for problem in PROBLEMS:
        assert set(problem.block.treatments) <= set(OPTIMIZERS)
        assert all(set(settings) == VARIED for name, settings in problem.block.treatments.items() if name not in WHOLE)
        assert (problem.block.set["schedule"], problem.block.set["select"]) == ("constant", "last")


def test_every_optimizer_is_tried_and_networks_meet_them_all() -> None:
    tried = {(problem.task, problem.model): set(problem.rates) for problem in PROBLEMS}
    assert len(tried) == 6
    for (_, model), names in tried.items():
        left = {"muon", "adamw"} if model == "point" else set()
        assert set(OPTIMIZERS) - set(WHOLE) - left <= names <= set(OPTIMIZERS) - left
    assert tried["digits_loss", "mlp[width=64]"] == set(OPTIMIZERS)


def test_lbfgs_evaluates_no_more_often_than_the_others_step() -> None:
    for problem in PROBLEMS:
        if (lbfgs := problem.block.treatments.get("l-bfgs")) is not None:
            options = dict(Choice.parse(lbfgs["optimizer"]).options)
            assert lbfgs["budget.steps"] * options["max_eval"] <= problem.recipe["budget.steps"]


def test_schedules_differ_in_nothing_but_themselves() -> None:
    for block in SUITES["schedules"].blocks:
        assert dict(block.treatments) == {name: {"schedule": schedule} for name, schedule in SCHEDULES.items()}
