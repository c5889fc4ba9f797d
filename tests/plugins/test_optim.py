"""Optimizers of dlbench_optim: exact laws, defaults, the fused kernels, and that every one of them optimizes."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

import dlbench_optim
from dlbench import Learner, Progress
from dlbench.contract.choice import Choice, check_options, option_defaults
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench.errors import UsageError

SPECS = {spec.name: spec for spec in dlbench_optim.dlbench_optimizers()}
SCHEDULES = {spec.name: spec for spec in dlbench_optim.dlbench_schedules()}
WITHOUT_DECAY = {"rprop", "lbfgs"}
FUSED = ("sgd", "adagrad", "adam", "adamw")
LR = {"sgd": 0.1, "asgd": 0.1, "adagrad": 0.5, "adadelta": 5.0, "lbfgs": 1.0, "timm_adopt": 0.1, "timm_lars": 0.1}


class Catalog:
    """The plugin's own specs, as the core looks them up."""

    def optimizer(self, name: str):
        return SPECS[name]

    def schedule(self, name: str):
        return SCHEDULES[name]


def build(text: str, params: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    choice = Choice.parse(text)
    check_options(choice.name, SPECS[choice.name].build, choice.options)
    return SPECS[choice.name].build(params, lr, **dict(choice.options))


def weights(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=torch.float64))


def run(optimizer: torch.optim.Optimizer, w: nn.Parameter, gradient: Callable[[Tensor], Tensor], steps: int) -> Tensor:
    """Step so often; returns every iterate, the first one included."""
    path = [w.detach().clone()]
    for _ in range(steps):
        w.grad = gradient(w.detach()).clone()
        optimizer.step()
        path.append(w.detach().clone())
    return torch.stack(path)


def flat(w: nn.Parameter) -> Tensor:
    """A loss that is the same everywhere, as a closure gives it."""
    w.grad = torch.zeros_like(w)
    return torch.zeros(())


def test_importing_the_plugins_imports_neither_torch_nor_timm() -> None:
    code = """
import sys
import dlbench_optim, dlbench_regularize
list(dlbench_optim.dlbench_optimizers()), list(dlbench_regularize.dlbench_regularizers())
for spec in dlbench_optim.dlbench_schedules():
    spec.build()
print([name for name in ("torch", "timm") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_are_unique_and_the_usual_ones_are_there() -> None:
    names = [spec.name for spec in dlbench_optim.dlbench_optimizers()]
    assert len(names) == len(set(names))
    assert {"sgd", "adam", "adamw", "adagrad", "adadelta", "rmsprop", "lbfgs", "timm_lamb", "timm_lion"} <= set(names)
    assert [name for name, spec in SPECS.items() if spec.closure] == ["lbfgs", "sam", "schedule_free_adamw"]
    assert all(spec.paper for spec in SPECS.values())


@pytest.mark.parametrize("name", SPECS)
@torch.compiler.set_stance("force_eager")  # timm_kron compiles its own parts, for long
def test_every_optimizer_reduces_a_quadratic(name: str) -> None:
    torch.manual_seed(0)
    target, bias = torch.randn(4, 3), torch.randn(3)
    w, b = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(3))
    optimizer = SPECS[name].build([w, b], LR.get(name, 0.03))

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = 0.5 * ((w - target).square().sum() + (b - bias).square().sum())
        value.backward()
        return value.detach()

    start = loss().item()
    before = w.detach().clone(), b.detach().clone()
    for _ in range(2):  # ADOPT's first step only starts its second moments
        optimizer.step(loss)
    assert not torch.equal(w, before[0])
    assert not torch.equal(b, before[1])
    for _ in range(200):
        optimizer.step(loss)
    assert loss().item() < 0.2 * start


@pytest.mark.parametrize("name", SPECS)
def test_weight_decay_shrinks_weights_wherever_it_is_an_option(name: str) -> None:
    assert ("weight_decay" in option_defaults(SPECS[name].build)) == (name not in WITHOUT_DECAY)
    if name in WITHOUT_DECAY:
        return
    ends = []
    for decay in (0.0, 0.5):
        w = nn.Parameter(torch.full((4, 3), 2.0))
        optimizer = SPECS[name].build([w], 0.1, weight_decay=decay)
        for _ in range(3):
            optimizer.step(lambda w=w: flat(w))
        ends.append(w.detach().abs().mean().item())
    assert ends[1] < ends[0]
    assert ends[0] == pytest.approx(2.0, abs=1e-4)


def test_an_option_in_brackets_reaches_the_optimizer() -> None:
    built = build("sgd[momentum=0.9,nesterov=true,weight_decay=5e-4]", [weights(1.0)], 0.1)
    assert {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}.items() <= built.defaults.items()
    assert build("adam[beta1=0.5,beta2=0.9]", [weights(1.0)], 0.1).defaults["betas"] == (0.5, 0.9)
    assert build("timm_adan[beta3=0.9]", [weights(1.0)], 0.1).defaults["betas"] == (0.98, 0.92, 0.9)
    assert build("rprop[eta_plus=1.5]", [weights(1.0)], 0.1).defaults["etas"] == (0.5, 1.5)
    with pytest.raises(UsageError, match="momentum"):
        build("sgd[momentun=0.9]", [weights(1.0)], 0.1)


# --- fused kernels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUSED)
def test_fused_only_where_it_is_right(name: str) -> None:
    def fused(p: Tensor, **options: bool) -> bool | None:
        return SPECS[name].build([nn.Parameter(p, requires_grad=True)], 0.1, **options).defaults["fused"]

    assert fused(torch.ones(4, 3)) is True
    assert fused(torch.ones(4, 3).t()) is True
    assert fused(torch.ones(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)) is True
    assert fused(torch.ones(4, 6)[:, ::2]) is None
    assert fused(torch.ones(4, 3, device="meta")) is None
    assert fused(torch.ones(4, 3, dtype=torch.complex64)) is None
    assert fused(torch.ones(4, 3), fused=False) is False


@pytest.mark.parametrize("name", FUSED)
def test_fused_steps_equal_plain_ones_for_every_memory_layout(name: str) -> None:
    torch.manual_seed(0)
    images = torch.randn(4, 3, 6, 6)
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 2))
    net.to(memory_format=torch.channels_last)
    net[3].weight = nn.Parameter(torch.randn(80, 2).t())
    nets = net, deepcopy(net)
    built = [SPECS[name].build(n.parameters(), 0.05, fused=f) for n, f in zip(nets, (None, False), strict=True)]
    for optimizer, n in zip(built, nets, strict=True):
        for _ in range(5):
            optimizer.zero_grad()
            n(images).square().mean().backward()
            optimizer.step()
    assert built[0].defaults["fused"] is True
    for mine, theirs in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_sparse_gradients_need_fused_off() -> None:
    table = nn.Embedding(5, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    before = table.weight.detach().clone()
    with pytest.raises(RuntimeError, match="sparse"):
        SPECS["sgd"].build(table.parameters(), 1.0).step()
    SPECS["sgd"].build(table.parameters(), 1.0, fused=False).step()
    assert torch.equal(before[1] - table.weight[1], torch.ones(2))


# --- exact laws -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["adam", "adamw[weight_decay=0.0]"])
def test_adam_first_step_is_lr_for_any_gradient_scale(name: str) -> None:
    g = torch.tensor([1e-6, -1e-3, 1.0, -1e3], dtype=torch.float64)
    w = weights(1.0, 2.0, 3.0, 4.0)
    path = run(build(name, [w], 0.01), w, lambda _: g, 1)
    expected = -0.01 * g / (g.abs() + 1e-8)
    torch.testing.assert_close(path[1] - path[0], expected, rtol=1e-9, atol=0)


def test_adagrad_constant_gradient() -> None:
    w = weights(0.0)
    path = run(build("adagrad", [w], 0.1), w, lambda _: torch.full((1,), 3.0, dtype=torch.float64), 50)
    t = torch.arange(1, 51, dtype=torch.float64)
    torch.testing.assert_close(-path.diff(dim=0)[:, 0], 0.1 / t.sqrt(), rtol=1e-8, atol=0)


def test_rmsprop_constant_gradient() -> None:
    w, rho = weights(0.0), 0.9
    path = run(build(f"rmsprop[alpha={rho},eps=1e-14]", [w], 0.1), w, lambda _: torch.ones(1, dtype=torch.float64), 50)
    t = torch.arange(1, 51, dtype=torch.float64)
    torch.testing.assert_close(-path.diff(dim=0)[:, 0], 0.1 / (1 - rho**t).sqrt(), rtol=1e-9, atol=0)


def test_adadelta_first_step() -> None:
    g, rho, eps = torch.tensor([1e-3, 1.0, -20.0], dtype=torch.float64), 0.95, 1e-6
    w = weights(0.0, 0.0, 0.0)
    path = run(build(f"adadelta[rho={rho},eps={eps}]", [w], 1.0), w, lambda _: g, 1)
    expected = -g * math.sqrt(eps) / ((1 - rho) * g**2 + eps).sqrt()
    torch.testing.assert_close(path[1], expected, rtol=1e-9, atol=0)


def test_adamw_decay_is_decoupled() -> None:
    w = weights(2.0)
    path = run(build("adamw[weight_decay=0.1]", [w], 0.5), w, torch.zeros_like, 3)
    torch.testing.assert_close(path[:, 0], 2.0 * 0.95 ** torch.arange(4, dtype=torch.float64), rtol=1e-12, atol=0)


def test_gradient_descent_contracts_by_k_minus_1_over_k_plus_1() -> None:
    curvature = torch.tensor([1.0, 100.0], dtype=torch.float64)
    w = weights(1.0, 1.0)
    path = run(build("sgd", [w], 2 / 101), w, lambda x: curvature * x, 50)
    torch.testing.assert_close(path[1:].norm(dim=1) / path[:-1].norm(dim=1), torch.full((50,), 99 / 101).double())


@pytest.mark.parametrize(("factor", "converges"), [(1.99, True), (2.01, False)])
def test_gradient_descent_diverges_above_2_over_l(factor: float, converges: bool) -> None:
    curvature = torch.tensor([0.5, 4.0], dtype=torch.float64)
    w = weights(1.0, 1.0)
    end = run(build("sgd", [w], factor / 4.0), w, lambda x: curvature * x, 2000)[-1].norm().item()
    assert end < 1e-6 if converges else end > 1e6


def asymptotic_rate(text: str, lr: float, k: int) -> float:
    """The factor per step in the norm; at the optimal settings the slowest mode is a double root, t * rate^t."""
    curvature = torch.linspace(1.0, k, 5, dtype=torch.float64)
    w = nn.Parameter(torch.ones(5, dtype=torch.float64))
    norms = run(build(text, [w], lr), w, lambda x: curvature * x, 500).norm(dim=1)
    return ((norms[500] / 500) / (norms[200] / 200)).item() ** (1 / 300)


def test_heavy_ball_rate() -> None:
    k, root = 100, 10.0
    beta = ((root - 1) / (root + 1)) ** 2
    rate = asymptotic_rate(f"sgd[momentum={beta}]", 4 / (root + 1) ** 2, k)
    assert rate == pytest.approx((root - 1) / (root + 1), abs=1e-3)


def test_nesterov_rate() -> None:
    k, root = 100, 10.0
    rate = asymptotic_rate(f"sgd[momentum={(root - 1) / (root + 1)},nesterov=true]", 1 / k, k)
    assert rate == pytest.approx(1 - 1 / root, abs=1e-3)


def test_stationary_variance_of_sgd_and_decay_below_it() -> None:
    a, s, lr, steps = 1.0, 1.0, 0.5, 400
    decay = SCHEDULES["inverse_time"].build(k=0.5, per="step")
    variances = []
    for scheduled in (False, True):
        generator = torch.Generator().manual_seed(0)
        w = nn.Parameter(torch.zeros(20_000))
        optimizer = SPECS["sgd"].build([w], lr)
        for t in range(steps):
            if scheduled:
                optimizer.param_groups[0]["lr"] = lr * decay(Progress(step=t))
            w.grad = a * w.detach() + s * torch.randn(20_000, generator=generator)
            optimizer.step()
        variances.append(w.detach().var().item())
    expected = lr * s**2 / (a * (2 - lr * a))
    assert variances[0] == pytest.approx(expected, rel=0.05)  # 5 standard errors of a variance over 20,000
    assert variances[1] < 0.05 * expected


def test_sgd_weight_decay_is_ridge() -> None:
    torch.manual_seed(0)
    x, y, rate = torch.randn(30, 4, dtype=torch.float64), torch.randn(30, dtype=torch.float64), 0.3
    w = nn.Parameter(torch.zeros(4, dtype=torch.float64))
    run(build(f"sgd[weight_decay={rate}]", [w], 0.3), w, lambda v: x.T @ (x @ v - y) / 30, 500)
    ridge = torch.linalg.solve(x.T @ x / 30 + rate * torch.eye(4, dtype=torch.float64), x.T @ y / 30)
    torch.testing.assert_close(w.detach(), ridge, rtol=1e-10, atol=1e-12)


# --- L-BFGS and the core's minimize -----------------------------------------------------------------------


def test_lbfgs_with_exact_steps_solves_a_quadratic_in_n_plus_1_iterations() -> None:
    n = 8
    torch.manual_seed(1)
    basis = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64)).Q
    matrix = basis @ torch.diag(torch.linspace(1, 50, n, dtype=torch.float64)) @ basis.T
    options = {"max_iter": 1, "tolerance_grad": 0.0, "tolerance_change": 0.0}
    w = nn.Parameter(torch.ones(n, dtype=torch.float64))
    optimizer = SPECS["lbfgs"].build([w], 1.0, **options)

    def iterate(w: nn.Parameter, optimizer: torch.optim.Optimizer) -> Tensor:
        def closure() -> Tensor:
            optimizer.zero_grad()
            value = 0.5 * w @ matrix @ w
            value.backward()
            return value

        before = w.detach().clone()
        optimizer.step(closure)
        return w.detach() - before

    start = w.detach().norm().item()
    for _ in range(n + 1):
        copied = nn.Parameter(w.detach().clone())
        probe = SPECS["lbfgs"].build([copied], 1.0, **options)
        probe.load_state_dict(deepcopy(optimizer.state_dict()))  # or the two would share tensors
        move = iterate(copied, probe)  # where the iteration would go with lr = 1
        exact = -(w.detach() @ matrix @ move) / (move @ matrix @ move)  # the minimum on that line
        optimizer.param_groups[0]["lr"] = exact.item()
        iterate(w, optimizer)
        optimizer.param_groups[0]["lr"] = 1.0
        if w.detach().norm().item() < 1e-9 * start:
            return
    pytest.fail(f"after n + 1 iterations the error is still {w.detach().norm().item() / start:.1e} of the first")


class Rosenbrock(Learner):
    """The banana function from (-1.2, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
        self.evaluations = 0

    def loss(self, batch: object) -> Tensor:
        self.evaluations += 1
        x, y = self.at
        return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def test_lbfgs_through_the_core_minimizes_rosenbrock() -> None:
    learner = Rosenbrock()
    layer = {"optimizer": "lbfgs[line_search_fn=strong_wolfe,max_iter=100,tolerance_change=1e-14]", "lr": 1.0}
    optimizers = PartOptimizers(learner, resolve([("test", layer)]).recipe, Catalog())
    first = learner.train_step(None, optimizers)
    assert first.item() == pytest.approx(24.2)
    assert learner.evaluations < 200
    assert learner.loss(None).item() < 1e-10


@pytest.mark.parametrize("optimizer", ["adam[beta1=0.8]", "timm_lamb[weight_decay=0.01]", "sgd[momentum=0.9]"])
def test_a_recipe_reaches_the_optimizer_through_the_core(optimizer: str) -> None:
    layer = {"optimizer": optimizer, "lr": 1e-3, "weight_decay": 0.02, "schedule": "cosine[warmup_share=0.1]"}
    optimizers = PartOptimizers(Rosenbrock(), resolve([("test", layer)]).recipe, Catalog())
    built = optimizers._all[0].optimizer
    assert built.defaults["weight_decay"] == 0.02
    assert built.defaults["lr"] == 1e-3
