"""Functions and regressions as tasks: minima, gradients, noise, floors, closed forms."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dlbench_ingredients
from dlbench import Batch, Objective, UsageError
from dlbench.data import Data
from dlbench.testing import check_task, report
from dlbench_ingredients import surfaces
from dlbench_ingredients.regressions import EXAMPLES, ZERO, lasso, ridge
from dlbench_ingredients.searching import DRAWS, Searching
from dlbench_mlp.point import Point
from workshop import catalog, trainer

pytestmark = pytest.mark.numbers

SPECS = {spec.name: spec for spec in dlbench_ingredients.dlbench_tasks() if spec.output_kind is Objective}
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))
PLANES = {"rosenbrock": surfaces.ROSENBROCK, "beale": surfaces.BEALE, "branin": surfaces.BRANIN}


class At:
    """A learner as a task sees it, which stays where it is."""

    def __init__(self, point: Any) -> None:
        self.point = torch.as_tensor(point, dtype=torch.float32)

    def predict(self, batch: Batch) -> Tensor:
        return self.point


def loaded(name: str, **options: Any) -> Any:
    return SPECS[name].open(DATA, options)


def search(name: str, settings: dict[str, Any]) -> dict[str, float]:
    """What a point scores after training by the core."""
    task = loaded(name)
    made = trainer(
        Point(start=task.signature.output.start), task, {"batch_size": 1, "select": "last", **settings},
        metric=SPECS[name].metric,
    )  # fmt: skip
    made.fit()
    return made.judge("test")


@pytest.mark.parametrize("name", SPECS)
def test_a_task_keeps_to_the_contract(name: str) -> None:
    findings = check_task(SPECS[name], catalog())
    assert len(findings) > 8
    assert all(f.ok for f in findings), report(findings)


@pytest.mark.parametrize("name", SPECS)
def test_the_floor_is_what_the_start_scores(name: str) -> None:
    task = loaded(name)
    scores = task.judge(At(task.signature.output.start), "test")
    assert scores[SPECS[name].metric.name] == pytest.approx(SPECS[name].floor_of({}), rel=1e-6)


@pytest.mark.parametrize("options", [{"dimension": 7, "condition": 30.0, "rotated": True}, {"dimension": 1}])
def test_the_floor_of_a_quadratic_holds_for_all_options(options: dict[str, Any]) -> None:
    task = loaded("quadratic", **options)
    gap = task.judge(At(task.signature.output.start), "val")["gap"]
    assert gap == pytest.approx(SPECS["quadratic"].floor_of(options), rel=1e-6)


@pytest.mark.parametrize("name", PLANES)
def test_the_minima_are_minima(name: str) -> None:
    """The gradient vanishes there, the curvature is positive, and the value is the least one."""
    surface, task = PLANES[name], loaded(name)
    for place in surface.minima:
        at = torch.tensor(place, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(surface.at(at.unbind()), at)
        curvature = torch.autograd.functional.hessian(lambda p: surface.at(p.unbind()), at.detach())
        assert gradient.norm() < 1e-9
        assert torch.linalg.eigvalsh(curvature).min() > 0.1
        assert surface.at(place) == pytest.approx(surface.least, abs=1e-12)
        scores = task.judge(At(place), "test")
        assert scores["gap"] < 1e-10
        assert scores["distance"] < 1e-6


def test_the_least_values_are_the_published_ones() -> None:
    assert surfaces.BRANIN.least == pytest.approx(0.397887, abs=5e-7)
    assert surfaces.ROSENBROCK.at(surfaces.ROSENBROCK.start) == pytest.approx(24.2)
    assert surfaces.BEALE.at((0.0, 0.0)) == pytest.approx(1.5**2 + 2.25**2 + 2.625**2)
    assert surfaces.BRANIN.minima[2] == pytest.approx((9.42478, 2.475), abs=5e-6)


def test_nothing_lies_below_the_least_value() -> None:
    generator = torch.Generator().manual_seed(0)
    for surface in PLANES.values():
        points = 15 * (torch.rand(2, 100_000, generator=generator, dtype=torch.float64) - 0.5)
        assert surface.at(points.unbind()).min() >= surface.least


@pytest.mark.parametrize("rotated", [False, True])
def test_a_quadratic_has_the_curvatures_that_it_says(rotated: bool) -> None:
    task = loaded("quadratic", dimension=6, condition=50.0, rotated=rotated)
    matrix = torch.autograd.functional.hessian(task.value, torch.zeros(6))
    expected = torch.logspace(math.log10(1 / 50), 0, 6)
    torch.testing.assert_close(torch.linalg.eigvalsh(matrix), expected, rtol=1e-4, atol=1e-6)
    off = (matrix - torch.diag(matrix.diagonal())).abs().max()
    assert (off > 0.01) == rotated


def test_the_noise_of_a_step_is_the_noise_of_its_gradient() -> None:
    task = loaded("quadratic", dimension=3, condition=1.0, noise=2.0)
    batch = next(iter(task.batches("train", 4, torch.Generator().manual_seed(0))))
    point = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    task.loss(point, batch).backward()
    assert batch.inputs.shape == (4, 3)
    torch.testing.assert_close(point.grad, point.detach() + batch.inputs.mean(0))


def test_a_pass_draws_new_noise_by_the_generator_and_judging_has_none() -> None:
    task = loaded("quadratic", dimension=50, noise=0.5)
    generator = torch.Generator().manual_seed(3)
    passes = [torch.cat([b.inputs for b in task.batches("train", 7, generator)]) for _ in range(2)]
    assert passes[0].shape == (DRAWS, 50)
    assert not torch.equal(*passes)
    assert passes[0].std().item() == pytest.approx(0.5, rel=0.05)
    again = torch.cat([b.inputs for b in task.batches("train", 100, torch.Generator().manual_seed(3))])
    assert torch.equal(again, passes[0])
    for split in ("val", "test"):
        (batch,) = task.batches(split, 100, torch.Generator())
        assert not batch.inputs.any()
    assert len(task.batches("train", 10**15, generator)) == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("quadratic", {"dimension": 0}),
        ("quadratic", {"dimension": 3000, "rotated": True}),
        ("quadratic", {"condition": 0.5}),
        ("quadratic", {"noise": -1.0}),
        ("branin", {"noise": -1.0}),
        ("ridge", {"strength": -1.0}),
        ("lasso", {"strength": -0.1}),
    ],
)
def test_impossible_options_are_usage_errors(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        loaded(name, **options)


def test_a_search_that_leaves_the_numbers_has_diverged() -> None:
    from dlbench.errors import Diverged

    with pytest.raises(Diverged):
        search("quadratic", {"optimizer": "sgd", "lr": 3.0, "budget.steps": 300})


# --- regressions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ridge, lasso])
def test_no_step_away_from_a_solution_lowers_the_objective(make: Any) -> None:
    problem, generator = make(0.15), np.random.default_rng(0)
    least = problem.objective(problem.solution)
    for size in (1e-4, 1e-2, 1.0):
        for _ in range(200):
            assert problem.objective(problem.solution + size * generator.standard_normal(16)) > least


def test_the_solutions_are_those_of_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    problem = ridge(0.1)
    theirs = linear_model.Ridge(alpha=0.1 * EXAMPLES, fit_intercept=False).fit(problem.rows, problem.answers)
    np.testing.assert_allclose(problem.solution, theirs.coef_, rtol=1e-8)
    problem = lasso(0.2)
    theirs = linear_model.Lasso(alpha=0.2, fit_intercept=False, tol=1e-12).fit(problem.rows, problem.answers)
    np.testing.assert_allclose(problem.solution, theirs.coef_, atol=1e-8)
    assert (problem.solution == 0).sum() >= ZERO // 2


def test_without_a_penalty_both_are_least_squares() -> None:
    for make in (ridge, lasso):
        problem = make(0.0)
        plain = np.linalg.lstsq(problem.rows, problem.answers, rcond=None)[0]
        np.testing.assert_allclose(problem.solution, plain, rtol=1e-8)


@pytest.mark.parametrize("penalty", [{"regularizers": "l2[rate=0.1]"}, {"weight_decay": 0.1}])
def test_an_l2_penalty_and_weight_decay_lead_sgd_to_ridge(penalty: dict[str, Any]) -> None:
    settings = {"optimizer": "sgd", "lr": 1.0, "budget.steps": 300}
    assert search("ridge", {**settings, **penalty})["distance"] < 1e-3
    assert search("ridge", settings)["distance"] > 0.1


def test_a_subgradient_comes_near_the_lasso_but_to_no_exact_zero() -> None:
    settings = {"optimizer": "sgd", "lr": 1.0, "schedule": "linear", "budget.steps": 600}
    scores = search("lasso", {**settings, "regularizers": "l1[rate=0.2]"})
    assert scores["distance"] < 0.01
    assert scores["zeros"] == 0


def test_searching_knows_the_nearest_of_several_minima() -> None:
    task = Searching(surfaces.BRANIN, noise=0.0, device="cpu")
    assert task.judge(At((9.0, 2.475)), "test")["distance"] == pytest.approx(3 * math.pi - 9.0, rel=1e-5)
    assert str(task.signature) == "vector[2] -> objective[2]"
