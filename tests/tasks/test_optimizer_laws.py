"""What theory says of optimizers, seen along the whole way of a recipe: from the task by the trainer to the curve."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dlbench_ingredients
from dlbench import Batch, Learner, Metric, Objective, Optimizers
from dlbench.contract.choice import Choice
from dlbench.data import Data
from dlbench.train.judging import judge
from dlbench_mlp.point import Point
from workshop import Blobs, catalog, trainer

pytestmark = pytest.mark.numbers

SPECS = {spec.name: spec for spec in dlbench_ingredients.dlbench_tasks() if spec.output_kind is Objective}
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))


class Walk:
    """A point on a task under a recipe: `gaps` and `distances` at the start and after each step, `path` (T + 1, D)."""

    def __init__(self, task: str, options: dict[str, Any], settings: dict[str, Any], learner: Any = None) -> None:
        loaded = SPECS[task].open(DATA, options)
        point = Point(start=loaded.signature.output.start) if learner is None else learner(loaded)
        places = [point.at.detach().clone()]
        made = trainer(
            point, loaded, {"batch_size": 1, "select": "last", "evaluate_every": 1, **settings},
            metric=Metric(name="gap", unit="", higher_is_better=False),
            report=lambda _, share: places.append(point.at.detach().clone()),
        )  # fmt: skip
        start = judge(made.learner, loaded, "val", made.execution)
        self.outcome = made.fit()
        scores = [start, *(entry["val"] for entry in self.outcome.curve)]
        self.gaps = torch.tensor([s["gap"] for s in scores], dtype=torch.float64)
        self.distances = torch.tensor([s["distance"] for s in scores], dtype=torch.float64)
        self.path = torch.stack(places)


def descend(steps: int, settings: dict[str, Any], *, k: float, dimension: int = 2, **options: Any) -> Walk:
    """On a quadratic of condition k, whose curvatures lie between 1 / k and 1."""
    options = {"dimension": dimension, "condition": k, **options}
    return Walk("quadratic", options, {"optimizer": "sgd", "budget.steps": steps, **settings})


# --- gradient descent, heavy ball, Nesterov ---------------------------------------------------------------


@pytest.mark.parametrize("rotated", [False, True])
def test_gradient_descent_contracts_by_k_minus_1_over_k_plus_1(rotated: bool) -> None:
    k = 100.0
    walk = descend(50, {"lr": 2 / (1 + 1 / k)}, k=k, rotated=rotated)
    ratios = walk.distances[1:] / walk.distances[:-1]
    torch.testing.assert_close(ratios, torch.full_like(ratios, (k - 1) / (k + 1)), rtol=1e-5, atol=0)


@pytest.mark.parametrize(("lr", "converges"), [(1.99, True), (2.01, False)])
def test_the_threshold_of_gradient_descent_is_two_over_the_largest_curvature(lr: float, converges: bool) -> None:
    walk = descend(1500, {"lr": lr, "evaluate_every": 1500}, k=8.0)
    assert walk.distances[-1] < 1e-6 if converges else walk.distances[-1] > 1e6


def test_heavy_ball_has_its_asymptotic_rate() -> None:
    k, root = 100.0, 10.0
    beta = ((root - 1) / (root + 1)) ** 2
    settings = {"optimizer": f"sgd[momentum={beta}]", "lr": 4 / (1 + 1 / root) ** 2}
    far = descend(200, settings, k=k).distances
    rate = ((far[200] / 200) / (far[80] / 80)).item() ** (1 / 120)  # both ends are double roots: t * rate^t
    assert rate == pytest.approx((root - 1) / (root + 1), abs=1e-3)


def test_nesterov_keeps_its_bound_at_every_step() -> None:
    k, root = 100.0, 10.0
    settings = {"optimizer": f"sgd[momentum={(root - 1) / (root + 1)},nesterov=true]", "lr": 1.0}
    walk = descend(150, settings, k=k, dimension=20)
    bound = walk.gaps[0] + 0.5 / k * walk.distances[0] ** 2
    t = torch.arange(1, len(walk.gaps), dtype=torch.float64)  # the start is judged before there is a velocity
    assert (walk.gaps[1:] <= bound * (1 - 1 / root) ** t).all()


def test_momentum_helps_where_the_condition_is_bad_and_hurts_where_it_is_1() -> None:
    def gap_after(steps: int, optimizer: str, k: float) -> float:
        settings = {"optimizer": optimizer, "lr": 0.5, "evaluate_every": steps}
        return descend(steps, settings, k=k, dimension=10).gaps[-1].item()

    plain, ball, nesterov = "sgd", "sgd[momentum=0.8]", "sgd[momentum=0.8,nesterov=true]"
    bad = [gap_after(300, optimizer, 100.0) for optimizer in (plain, ball, nesterov)]
    good = [gap_after(30, optimizer, 1.0) for optimizer in (plain, ball, nesterov)]
    assert max(bad[1:]) < 1e-3 * bad[0]
    assert good[0] < 1e-3 * min(good[1:])


def test_nesterov_overshoots_less_than_momentum() -> None:
    lows = []
    for nesterov in ("false", "true"):
        settings = {"optimizer": f"sgd[momentum=0.9,nesterov={nesterov}]", "lr": 0.1}
        lows.append(descend(100, settings, k=1.0, dimension=1).path.min().item())
    assert lows[0] < lows[1] < 0
    assert lows[1] > 0.7 * lows[0]


# --- steps under a gradient that is known ----------------------------------------------------------------


class Slope(Learner):
    """A point on a plane: the gradient is `gradient` everywhere."""

    def __init__(self, gradient: list[float]) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.zeros(len(gradient)))
        self.register_buffer("gradient", torch.tensor(gradient))

    def loss(self, batch: Batch) -> Tensor:
        return (self.gradient * self.at).sum()

    def predict(self, inputs: Tensor) -> Tensor:
        return self.at


def moves(optimizer: str, lr: float, gradient: list[float], steps: int = 1) -> Tensor:
    """How far each of the steps went, (T, D)."""
    settings = {"optimizer": optimizer, "lr": lr, "budget.steps": steps}
    walk = Walk("quadratic", {"dimension": len(gradient)}, settings, learner=lambda task: Slope(gradient))
    return -walk.path.diff(dim=0)


GRADIENT = [1e-4, -1e-2, 1.0, -300.0]
SIGNS = torch.tensor(GRADIENT).sign()
SIZES = torch.tensor(GRADIENT).abs()


@pytest.mark.parametrize("optimizer", ["adam", "adamw[weight_decay=0.0]", "adamax", "timm_lion", "timm_laprop"])
def test_the_first_step_is_the_learning_rate_whatever_the_scale_of_the_gradient(optimizer: str) -> None:
    first = moves(optimizer, 0.01, GRADIENT)[0]
    expected = 0.01 * SIGNS * (SIZES / (SIZES + 1e-8))
    torch.testing.assert_close(first, expected, rtol=2e-4, atol=0)


def test_adagrad_goes_by_the_root_of_the_step() -> None:
    gone = moves("adagrad", 0.1, GRADIENT, steps=30)
    t = torch.arange(1, 31)[:, None]
    torch.testing.assert_close(gone, 0.1 * SIGNS / t.sqrt(), rtol=1e-3, atol=0)


def test_rmsprop_falls_to_the_learning_rate() -> None:
    gone, rho = moves("rmsprop[alpha=0.9,eps=1e-12]", 0.1, GRADIENT, steps=30), 0.9
    t = torch.arange(1, 31)[:, None]
    torch.testing.assert_close(gone, 0.1 * SIGNS / (1 - rho**t).sqrt(), rtol=1e-3, atol=0)


def test_adadelta_begins_with_the_root_of_eps() -> None:
    rho, eps, g = 0.95, 1e-6, torch.tensor(GRADIENT)
    first = moves(f"adadelta[rho={rho},eps={eps}]", 1.0, GRADIENT)[0]
    torch.testing.assert_close(first, g * math.sqrt(eps) / ((1 - rho) * g**2 + eps).sqrt(), rtol=1e-5, atol=0)


@pytest.mark.parametrize(("nesterov", "first"), [("false", 1.0), ("true", 1.9)])
def test_momentum_sums_a_geometric_series(nesterov: str, first: float) -> None:
    gone = moves(f"sgd[momentum=0.9,nesterov={nesterov}]", 0.01, [2.0], steps=20)[:, 0]
    t = torch.arange(20) + (nesterov == "true")
    torch.testing.assert_close(gone, 0.02 * (1 - 0.9 ** (t + 1)) / 0.1, rtol=1e-4, atol=0)
    assert gone[0].item() == pytest.approx(0.02 * first, rel=1e-5)


# --- second order -----------------------------------------------------------------------------------------


def test_lbfgs_needs_few_evaluations_for_rosenbrock() -> None:
    settings = {
        "optimizer": "lbfgs[line_search_fn=strong_wolfe,max_iter=60,max_eval=120,tolerance_change=1e-14]",
        "lr": 1.0,
    }
    walk = Walk("rosenbrock", {}, {**settings, "budget.steps": 1})
    assert walk.gaps[0] == pytest.approx(24.2)
    assert walk.gaps[1] < 1e-10


def test_lbfgs_solves_a_quadratic_in_about_twice_as_many_steps_as_dimensions() -> None:
    """With exact line searches it takes n + 1 (tests/plugins/test_optim.py); this one's are inexact."""
    n = 8
    settings = {"optimizer": "lbfgs[max_iter=1,line_search_fn=strong_wolfe,tolerance_grad=0.0]", "lr": 1.0}
    fast = descend(2 * n + 2, settings, k=50.0, dimension=n, rotated=True).gaps[-1]
    slow = descend(2 * n + 2, {"lr": 1.0}, k=50.0, dimension=n, rotated=True).gaps[-1]
    assert fast < 1e-8
    assert slow > 1e-3


# --- noise ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 4])
def test_sgd_under_a_constant_rate_keeps_its_stationary_variance(batch_size: int) -> None:
    n, lr = 10_000, 0.5
    settings = {"lr": lr, "batch_size": batch_size, "evaluate_every": 100}
    walk = descend(100, settings, k=1.0, dimension=n, noise=1.0)
    expected = lr / batch_size / (2 - lr)
    assert walk.distances[-1].item() ** 2 / n == pytest.approx(expected, rel=0.07)  # 5 standard errors


def test_a_rate_that_falls_goes_below_it() -> None:
    n, steps = 2000, 1000
    settings = {"lr": 0.5, "schedule": "inverse_time[k=0.5,per=step]", "evaluate_every": steps}
    walk = descend(steps, settings, k=1.0, dimension=n, noise=1.0)
    assert walk.distances[-1].item() ** 2 / n == pytest.approx(1 / steps, rel=0.2)  # 1 / t, as the mean of t draws


def weights_after(batch_size: int | str, seed: int) -> Tensor:
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    trainer(
        net, Blobs(), {"optimizer": "sgd", "lr": 0.5, "batch_size": batch_size, "budget.steps": 30}, seed=seed
    ).fit()
    return net.weight.detach()


def test_batch_gradient_descent_doesn_t_depend_on_the_order_of_the_data() -> None:
    torch.testing.assert_close(weights_after("all", 0), weights_after("all", 1), rtol=1e-5, atol=1e-6)
    assert (weights_after(8, 0) - weights_after(8, 1)).abs().max() > 1e-3


# --- schedules --------------------------------------------------------------------------------------------

SCHEDULES = sorted(set(catalog().specs["schedules"]) - {"stop_after"})


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_sets_the_learning_rate_of_every_step(name: str) -> None:
    seen: list[tuple[float, float]] = []
    options = {"change": 10.0} if name == "threshold" else {}  # so that every change counts as small
    function = catalog().schedule(name).build(**options)

    class Watched(Slope):
        def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
            ((_, lr),) = optimizers.rates()
            seen.append((lr, function(optimizers.progress)))
            return super().train_step(batch, optimizers)

    schedule = str(Choice(name, tuple(options.items())))
    settings = {"optimizer": "sgd", "lr": 0.25, "schedule": schedule, "budget.steps": 250, "evaluate_every": 5}
    Walk("quadratic", {"dimension": 1}, settings, learner=lambda task: Watched([1.0]))
    assert len(seen) == 250
    assert [lr for lr, _ in seen] == pytest.approx([0.25 * factor for _, factor in seen])
    assert name == "constant" or len({lr for lr, _ in seen}) > 1
