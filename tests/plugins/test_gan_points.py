"""`pacgan` and `wgan_gp`: packs, the gradient penalty, whose parameters a step moves, closures, options, learning."""

from __future__ import annotations

import math
from statistics import fmean
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dlbench_gan
from dlbench import Batch, Image, Learner, Sample, Signature, UsageError, Vector
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench_gan.gan import GAN
from dlbench_gan.pacgan import PacGAN
from dlbench_gan.penalty import gradient_penalty
from workshop import catalog, cell

pytestmark = pytest.mark.numbers

SPECS = {spec.name: spec for spec in dlbench_gan.dlbench_models()}
NAMES = ("gan", "pacgan", "wgan_gp")
POINTS = Signature(input=Vector(features=2), output=Sample())
IMAGES = Signature(input=Image(channels=3, height=4, width=5), output=Sample())


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def optimizers(name: str, model: Learner, **settings: Any) -> PartOptimizers:
    recipe = resolve([("model", SPECS[name].recipes[Sample]), ("test", settings)]).recipe
    return PartOptimizers(model, recipe, catalog())


def blob(count: int) -> Batch:
    return Batch(inputs=torch.tensor([2.0, -1.0]) + 0.1 * torch.randn(count, 2), size=count)


# --- what all of them owe ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_players_step_leaves_no_gradient_in_the_other(name: str) -> None:
    """And none of the other's parameters moves."""
    model = SPECS[name].build(POINTS, width=16)
    parts = {part: list(parameters) for part, parameters in model.parts().items()}
    trained, moved = optimizers(name, model), []
    plain = trained.minimize

    def watched(loss: Any, part: str) -> Tensor:
        before = {key: [p.detach().clone() for p in held] for key, held in parts.items()}
        for held in parts.values():
            for p in held:
                p.grad = None
        found = plain(loss, part=part)
        others = [p for key, held in parts.items() if key != part for p in held]
        assert all(p.grad is None for p in others)
        assert all(p.grad is not None for p in parts[part])
        for key, held in parts.items():
            changed = [not torch.equal(old, new) for old, new in zip(before[key], held, strict=True)]
            # the last bias moves all scores of a Wasserstein critic alike, which no loss sees
            still = 1 if (name, key) == ("wgan_gp", "critic") else 0
            assert changed.count(False) <= still if key == part else not any(changed)
        moved.append(part)
        return found

    trained.minimize = watched  # type: ignore[method-assign]
    model.train_step(blob(32), trained)
    critics = 2 if name == "wgan_gp" else 1
    assert moved == [next(part for part in parts if part != "generator")] * critics + ["generator"]


@pytest.mark.parametrize("name", ["pacgan", "wgan_gp"])
@pytest.mark.parametrize("signature", [POINTS, IMAGES], ids=str)
def test_samples_have_the_shape_of_the_input_and_follow_the_generator(name: str, signature: Signature) -> None:
    model = SPECS[name].build(signature, width=8, depth=2, noise=3)
    size = (2,) if signature is POINTS else (3, 4, 5)
    assert model.train_step(Batch(inputs=torch.randn(6, *size)), optimizers(name, model)).shape == ()
    model.eval()
    first, second, other = (model.sample(7, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert tuple(first.shape) == (7, *size)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", ["pacgan", "wgan_gp"])
def test_closures_are_functions_of_the_parameters_alone(name: str) -> None:
    model = SPECS[name].build(POINTS, width=16)

    class Twice:
        def minimize(self, loss: Any, part: str) -> Tensor:
            first, second = loss().detach(), loss().detach()
            assert torch.equal(first, second)
            return first

    model.train_step(blob(64), Twice())


@pytest.mark.parametrize("name", ["pacgan", "wgan_gp"])
def test_each_player_has_its_own_recipe(name: str) -> None:
    model = SPECS[name].build(POINTS)
    critic = next(part for part in model.parts() if part != "generator")
    settings = {"lr": 1e-4, f"{critic}.lr": 4e-4, "generator.optimizer": "sgd", f"{critic}.clip": 0.5}
    trained = optimizers(name, model, **settings)
    found = {part: (type(held.optimizer).__name__, held.base_lrs, held.clip) for part, held in trained._parts.items()}
    assert found == {"generator": ("SGD", [1e-4], None), critic: ("Adam", [4e-4], 0.5)}


# --- packs ------------------------------------------------------------------------------------------------


def test_with_one_in_a_pack_it_is_gan() -> None:
    plain, packed = GAN(shape=(2,), width=16), PacGAN(shape=(2,), width=16, pack=1)
    packed.load_state_dict(plain.state_dict())
    real, noise = blob(32).inputs, torch.randn(32, 16)
    fake = plain.generator(noise)
    assert packed.discriminator_loss(real, fake) == plain.discriminator_loss(real, fake)
    assert packed.generator_loss(noise) == plain.generator_loss(noise)
    states = []
    for model in (plain, packed):
        torch.manual_seed(5)
        trained = optimizers("gan", model)
        losses = [model.train_step(blob(33), trained) for _ in range(3)]
        states.append([*losses, *model.state_dict().values()])
    assert all(torch.equal(one, other) for one, other in zip(*states, strict=True))


def test_the_discriminator_sees_packs_of_one_sort() -> None:
    model = PacGAN(shape=(2,), width=16, pack=3)
    seen: list[Tensor] = []
    model.discriminator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    model.discriminator_loss(torch.arange(8.0).view(4, 2), -torch.ones(4, 2))
    assert seen[0].tolist() == [[0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 0, 1], [6, 7, 0, 1, 2, 3]]
    assert tuple(seen[1].shape) == (4, 6)
    assert (seen[1] == -1).all()


def test_a_batch_smaller_than_a_pack_works() -> None:
    model = PacGAN(shape=(2,), width=16, pack=4)
    assert math.isfinite(model.train_step(blob(1), optimizers("pacgan", model)))


# --- the gradient penalty ---------------------------------------------------------------------------------


def test_the_penalty_of_a_linear_critic_is_that_of_its_slope() -> None:
    for slope in ([3.0, 4.0], [0.6, 0.8], [0.0, 0.0]):
        weights = torch.tensor(slope, requires_grad=True)
        found = gradient_penalty(lambda x, w=weights: x @ w, torch.randn(7, 2), torch.randn(7, 2), torch.rand(7, 1))
        assert found.item() == pytest.approx((math.hypot(*slope) - 1) ** 2, abs=1e-6)
    weights = torch.tensor([3.0, 4.0], requires_grad=True)
    gradient_penalty(lambda x: x @ weights, torch.randn(7, 2), torch.randn(7, 2), torch.rand(7, 1)).backward()
    # d (|w| - 1)^2 / dw = 2 (|w| - 1) w / |w|
    assert weights.grad.tolist() == pytest.approx([8 * 0.6, 8 * 0.8], rel=1e-5)


def test_the_penalty_looks_between_real_and_generated_examples() -> None:
    """The critic x^2 / 2 has the slope x: the penalty says where it was asked."""
    real, fake = torch.full((1, 1), 5.0), torch.full((1, 1), 1.0)
    for share, at in ((0.0, 1.0), (0.25, 2.0), (1.0, 5.0)):
        found = gradient_penalty(lambda x: x.square().sum(dim=1) / 2, real, fake, torch.tensor([[share]]))
        assert found.item() == pytest.approx((at - 1) ** 2, rel=1e-5)


def test_the_critic_wants_high_scores_of_real_examples_and_a_slope_of_one() -> None:
    model = SPECS["wgan_gp"].build(POINTS, width=16, penalty=2.5)
    real, fake, share = blob(64).inputs, torch.randn(64, 2), torch.rand(64, 1)
    slopes = gradient_penalty(model.critic, real, fake, share)
    expected = model.critic(fake).mean() - model.critic(real).mean() + 2.5 * slopes
    assert model.critic_loss(real, fake, share).item() == pytest.approx(expected.item(), rel=1e-5)
    noise = torch.randn(64, 16)
    assert model.generator_loss(noise).item() == pytest.approx(-model.critic(model.generator(noise)).mean().item())


def test_the_penalty_is_taken_in_float32_under_autocast() -> None:
    critic = nn.Linear(2, 1)
    seen: list[torch.dtype] = []
    critic.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        gradient_penalty(lambda x: critic(x).squeeze(1), torch.randn(4, 2), torch.randn(4, 2), torch.rand(4, 1))
        critic(torch.randn(4, 2))
    assert seen == [torch.float32, torch.bfloat16]


def test_wrong_options_are_refused() -> None:
    for name, options in (("pacgan", {"pack": 0}), ("wgan_gp", {"critic_steps": 0}), ("wgan_gp", {"penalty": -1.0})):
        with pytest.raises(UsageError, match=next(iter(options))):
            SPECS[name].build(POINTS, **options)


# --- learning ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pacgan", "wgan_gp"])
def test_learns_where_the_points_are(name: str) -> None:
    model = SPECS[name].build(POINTS, width=32, depth=2)
    trained = optimizers(name, model, lr=2e-3)
    for _ in range({"pacgan": 300, "wgan_gp": 150}[name]):
        model.train_step(blob(64), trained)
    model.eval()
    with torch.no_grad():
        samples = model.sample(1000, torch.Generator().manual_seed(0))
    assert (samples.mean(0) - torch.tensor([2.0, -1.0])).abs().max() < 0.3
    assert samples.std(0).max() < 0.5


@pytest.mark.parametrize("name", ["pacgan", "wgan_gp"])
def test_a_generator_that_gives_no_numbers_ends_as_diverged_or_scores_nothing(name: str) -> None:
    from dlbench.errors import Diverged

    with pytest.raises(Diverged):
        cell(name, "ring8", {"lr": 1e30, "optimizer": "sgd", "budget.steps": 20, "schedule": "constant"})


@pytest.mark.slow
def test_gan_loses_modes_of_the_grid() -> None:
    found = [cell("gan", "grid25", seeds=(seed,))["metrics"]["test"] for seed in range(2)]
    assert fmean(metrics["modes"] for metrics in found) < 25
