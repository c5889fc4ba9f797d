"""`muon`, `sam` and `schedule_free_adamw`: optimizers that are made of others."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from dlbench import UsageError
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench_optim.muon import muon
from dlbench_optim.schedule_free import schedule_free_adamw
from dlbench_optim.sharpness import sam
from workshop import Blobs, catalog, fit, trainer


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(1, 4, 2), nn.Flatten(), nn.BatchNorm1d(8), nn.Linear(8, 2))


def points() -> Tensor:
    return torch.randn(16, 1, 3, generator=torch.Generator().manual_seed(1))


def steps(net: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
    for _ in range(count):
        optimizer.zero_grad()
        net(points()).square().mean().backward()
        optimizer.step()


def closure_of(optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """What the core hands to optimizers with a closure."""

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value.detach()

    return evaluate


# --- Muon -------------------------------------------------------------------------------------------------


def test_muon_takes_the_matrices_and_adamw_the_rest() -> None:
    net = network()
    built = muon(net.parameters(), 0.02, weight_decay=0.0)
    matrices, rest = (group["params"] for group in built.param_groups)
    assert [p.dim() for p in matrices] == [2]
    assert sorted(p.dim() for p in rest) == [1, 1, 1, 1, 3]
    steps(net, built, 1)
    assert all(p in built.state for p in net.parameters())
    assert "momentum_buffer" in built.state[matrices[0]]
    assert "exp_avg" in built.state[rest[0]]


def test_muon_steps_are_those_of_the_two_by_themselves() -> None:
    net, other = network(), network()
    together = muon(net.parameters(), 0.02, weight_decay=0.1)
    alone = [
        torch.optim.Muon([p for p in other.parameters() if p.dim() == 2], lr=0.02, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([p for p in other.parameters() if p.dim() != 2], lr=0.02, weight_decay=0.1, fused=True),
    ]
    for _ in range(4):
        steps(net, together, 1)
        for optimizer in alone:
            optimizer.zero_grad()
        other(points()).square().mean().backward()
        for optimizer in alone:
            optimizer.step()
    for mine, theirs in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_the_first_step_of_muon_is_orthogonal() -> None:
    """Without weight decay a step is lr times a matrix whose singular values are near 1, whatever the gradient's."""
    torch.manual_seed(0)
    w = nn.Parameter(torch.zeros(6, 4))
    built = muon([w], 0.5, weight_decay=0.0, adjust_lr_fn="spectral_unclamped")
    w.grad = torch.randn(6, 4) @ torch.diag(torch.tensor([100.0, 10.0, 3.0, 1.0]))
    built.step()
    values = torch.linalg.svdvals(w.detach()) / (0.5 * (6 / 4) ** 0.5)
    assert values.max() < 1.3
    assert values.min() > 0.6


@pytest.mark.parametrize("kinds", ["matrices", "vectors"])
def test_muon_works_where_one_of_the_two_has_nothing_to_do(kinds: str) -> None:
    w = nn.Parameter(torch.ones(3, 2) if kinds == "matrices" else torch.ones(3))
    built = muon([w], 0.1)
    assert len(built.param_groups) == 1
    w.grad = torch.ones_like(w)
    built.step()
    assert (w < 1).all()


def test_a_saved_state_of_two_goes_on_as_one() -> None:
    net = network()
    built = muon(net.parameters(), 0.02)
    steps(net, built, 3)
    copy = deepcopy(net)
    other = muon(copy.parameters(), 0.5)
    other.load_state_dict(deepcopy(built.state_dict()))
    assert [group["lr"] for group in other.param_groups] == [0.02, 0.02]
    steps(net, built, 3)
    steps(copy, other, 3)
    for mine, theirs in zip(net.parameters(), copy.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_schedule_moves_both_groups() -> None:
    made = trainer(nn.Linear(3, 2), Blobs(), {"optimizer": "muon", "lr": 0.1, "schedule": "linear", "budget.steps": 10})
    made.fit()
    assert [lr for _, lr in made.optimizers.rates()] == pytest.approx([0.01, 0.01])
    assert made.optimizers.state_bytes() > 3 * 2 * 4


def test_a_scaler_of_gradients_takes_two_for_one() -> None:
    """As fp16 does: gradients are scaled up before the step and down again in it."""
    ends = []
    for scale_for in (None, "cpu"):
        torch.manual_seed(0)
        made = trainer(nn.Linear(3, 2), Blobs(), {"optimizer": "muon", "lr": 0.1})
        optimizers = PartOptimizers(made.learner, made.recipe, catalog(), scale_for=scale_for)
        for batch in Blobs().batches("train", 16, None):
            made.learner.train_step(batch, optimizers)
        ends.append([p.detach() for p in made.learner.parameters()])
    for plain, scaled in zip(*ends, strict=True):
        torch.testing.assert_close(plain, scaled, rtol=1e-3, atol=1e-4)


def test_muon_refuses_an_unknown_scale() -> None:
    with pytest.raises(UsageError, match="match_rms_adamw"):
        muon([nn.Parameter(torch.ones(2, 2))], 0.1, adjust_lr_fn="large")


# --- SAM --------------------------------------------------------------------------------------------------


def test_sam_steps_with_the_gradient_of_the_point_uphill() -> None:
    curvature, start, rho, lr = torch.tensor([1.0, 9.0]), torch.tensor([1.0, 2.0]), 0.3, 0.05
    w = nn.Parameter(start.clone())
    built = sam([w], lr, rho=rho, momentum=0.0)
    value = built.step(closure_of(built, lambda: 0.5 * (curvature * w.square()).sum()))
    gradient = curvature * start
    uphill = start + rho * gradient / gradient.norm()
    torch.testing.assert_close(w.detach(), start - lr * curvature * uphill)
    assert value.item() == pytest.approx(0.5 * (1 + 36))


def test_adaptive_sam_climbs_relative_to_each_weight() -> None:
    start, rho, lr = torch.tensor([0.1, 4.0]), 0.3, 0.05
    w = nn.Parameter(start.clone())
    built = sam([w], lr, rho=rho, momentum=0.0, adaptive=True)
    built.step(closure_of(built, lambda: 0.5 * w.square().sum()))
    scaled = start.abs() * start
    uphill = start + rho * start.abs() * scaled / scaled.norm()
    torch.testing.assert_close(w.detach(), start - lr * uphill)


@pytest.mark.parametrize("base", ["sgd", "adam", "adamw"])
def test_sam_with_rho_0_is_its_base(base: str) -> None:
    ends = []
    for optimizer in (f"sam[base={base},rho=0.0]", {"sgd": "sgd[momentum=0.9]", "adam": "adam"}.get(base, "adamw")):
        torch.manual_seed(0)
        net = nn.Linear(3, 2)
        decay = {"weight_decay": 0.1}
        fit(net, Blobs(), {"optimizer": optimizer, "lr": 0.05, "budget.steps": 20, "select": "last", **decay})
        ends.append(net.weight.detach().clone())
    torch.testing.assert_close(*ends)


def test_sam_needs_a_closure_a_known_base_and_a_radius() -> None:
    w = nn.Parameter(torch.ones(2))
    with pytest.raises(TypeError, match="closure"):
        sam([w], 0.1).step()
    with pytest.raises(UsageError, match="sgd, adam, adamw"):
        sam([w], 0.1, base="lion")
    with pytest.raises(UsageError, match="at least 0"):
        sam([w], 0.1, rho=-1.0)


# --- schedule-free ----------------------------------------------------------------------------------------


def test_schedule_free_is_judged_at_the_average_and_takes_gradients_beside_it() -> None:
    pytest.importorskip("schedulefree")
    lr, beta1, eps = 0.1, 0.9, 1e-8
    w = nn.Parameter(torch.tensor([1.0, -3.0]))
    built = schedule_free_adamw([w], lr, beta1=beta1, eps=eps)
    z, x, second, seen = w.detach().clone(), w.detach().clone(), torch.zeros(2), []
    curvature = torch.tensor([1.0, 4.0])

    def loss() -> Tensor:
        seen.append(w.detach().clone())
        return 0.5 * (curvature * w.square()).sum()

    for t in range(1, 6):
        built.step(closure_of(built, loss))
        y = (1 - beta1) * z + beta1 * x
        torch.testing.assert_close(seen[-1], y)
        gradient = curvature * y
        second = 0.999 * second + 0.001 * gradient**2
        z = z - lr * gradient / ((second / (1 - 0.999**t)).sqrt() + eps)
        x = x + (z - x) / t
        torch.testing.assert_close(w.detach(), x)
    assert len(seen) == 5


def test_schedule_free_trains_through_the_core_and_is_judged_where_it_says() -> None:
    pytest.importorskip("schedulefree")
    made = trainer(nn.Linear(3, 2), Blobs(), {"optimizer": "schedule_free_adamw", "lr": 0.05, "budget.steps": 60})
    outcome = made.fit()
    assert outcome.curve[-1]["val"]["cross_entropy"] < 0.6 * outcome.curve[0]["val"]["cross_entropy"]
    assert made.optimizers.has_closures


def test_a_part_of_a_recipe_may_have_such_an_optimizer() -> None:
    """The core needs nothing else than for any other optimizer with a closure: one part at a time."""
    recipe = resolve([("test", {"optimizer": "sam[rho=0.1]", "clip": 1.0})]).recipe
    made = trainer(nn.Linear(3, 2), Blobs(), {"budget.steps": 1})
    optimizers = PartOptimizers(made.learner, recipe, catalog())
    batch = next(iter(Blobs().batches("train", 48, None)))
    first = made.learner.loss(batch).item()
    assert made.learner.train_step(batch, optimizers).item() == pytest.approx(first)
    assert made.learner.loss(batch).item() < first
