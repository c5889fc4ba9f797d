"""dlbench_gan for pictures: `dcgan`, `cgan`, `sagan`. Sizes, whose parameters a step moves, repeatable samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dlbench_gan
from dlbench import Batch, ConditionalSample, Image, NotApplicable, Sample, Signature, UsageError, Vector
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench_gan.dcgan import ConvDiscriminator, ConvGenerator, halvings
from dlbench_gan.losses import HINGE, LOGISTIC
from workshop import catalog

pytestmark = pytest.mark.numbers

SPECS = {spec.name: spec for spec in dlbench_gan.dlbench_models()}
SIZES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 8, 12)]
CLASSES = ConditionalSample(num_classes=3)
PLAYERS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "dcgan": ("dcgan", Sample(), {"width": 8}),
    "dcgan-2": ("dcgan", Sample(), {"width": 8, "discriminator_steps": 2}),
    "cgan": ("cgan", CLASSES, {"width": 16}),
    "cgan-conv": ("cgan", CLASSES, {"width": 8, "conv": True}),
    "sagan": ("sagan", Sample(), {"width": 8}),
    "sagan-class": ("sagan", CLASSES, {"width": 8}),
}
every_model = pytest.mark.parametrize("name", PLAYERS)


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def signature(output: Any, size: tuple[int, int, int] = SIZES[0]) -> Signature:
    return Signature(input=Image(channels=size[0], height=size[1], width=size[2]), output=output)


def built(name: str, size: tuple[int, int, int] = SIZES[0]) -> Any:
    model, output, options = PLAYERS[name]
    return SPECS[model].build(signature(output, size), **options)


def batch_for(name: str, count: int = 12, size: tuple[int, int, int] = SIZES[0]) -> Batch:
    targets = torch.arange(count) % 3 if PLAYERS[name][1] is CLASSES else None
    return Batch(inputs=torch.rand(count, *size) * 2 - 1, targets=targets, size=count)


def asked(name: str, count: int) -> tuple[Tensor, ...]:
    """The classes that samples are asked for, where the model is conditional."""
    return (torch.arange(count) % 3,) if PLAYERS[name][1] is CLASSES else ()


def optimizers(model: Any, **settings: Any) -> PartOptimizers:
    recipe = resolve([("test", {"optimizer": "adam[beta1=0.5]", "lr": 1e-3, **settings})]).recipe
    return PartOptimizers(model, recipe, catalog())


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_dcgan_of_64_pixels_has_the_parameters_of_the_published_code() -> None:
    model = SPECS["dcgan"].build(signature(Sample(), (3, 64, 64)))
    assert count(model.generator) == 3_576_704
    assert count(model.discriminator) == 2_765_568


@pytest.mark.parametrize("size", SIZES, ids=str)
@every_model
def test_samples_have_the_shape_of_the_pictures(name: str, size: tuple[int, int, int]) -> None:
    model = built(name, size)
    loss = model.train_step(batch_for(name, 6, size), optimizers(model))
    assert loss.shape == ()
    assert not loss.requires_grad
    with torch.no_grad():
        samples = model.eval().sample(5, torch.Generator(), *asked(name, 5))
    assert tuple(samples.shape) == (5, *size)
    assert samples.isfinite().all()
    assert name == "cgan" or samples.abs().max() <= 1


def test_vectors_of_a_class_have_their_shape() -> None:
    kinds = Signature(input=Vector(features=5), output=CLASSES)
    model = SPECS["cgan"].build(kinds, width=8)
    model.train_step(Batch(torch.randn(6, 5), torch.arange(6) % 3, size=6), optimizers(model))
    assert tuple(model.eval().sample(4, torch.Generator(), torch.tensor([0, 1, 2, 2])).shape) == (4, 5)
    with pytest.raises(NotApplicable, match="pictures only"):
        SPECS["cgan"].build(kinds, conv=True)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((8, 8), 2), ((16, 16), 2), ((28, 28), 2), ((32, 32), 3), ((64, 64), 4), ((128, 64), 4), ((4, 4), 1),
     ((6, 10), 1), ((28, 32), 2), ((9, 8), 0), ((2, 2), 0), ((1, 8), 0)],
)  # fmt: skip
def test_sides_are_halved_to_four_pixels(size: tuple[int, int], expected: int) -> None:
    assert halvings(*size) == expected


@pytest.mark.parametrize("name", [name for name in PLAYERS if name != "cgan"])
def test_pictures_that_cant_be_halved_are_refused(name: str) -> None:
    with pytest.raises(NotApplicable, match="not 9x8"):
        built(name, (1, 9, 8))


@pytest.mark.parametrize("model", ["dcgan", "cgan", "sagan"])
def test_options_below_one_are_refused(model: str) -> None:
    output = CLASSES if model == "cgan" else Sample()
    for option in ("width", "noise"):
        with pytest.raises(UsageError, match=f"'{option}' needs a number of at least 1, not 0"):
            SPECS[model].build(signature(output), **{option: 0})


def test_a_class_of_the_published_form_is_one_map_more() -> None:
    plain = ConvDiscriminator(channels=1, size=(8, 8), width=4)
    asked_for = ConvDiscriminator(channels=1, size=(8, 8), width=4, num_classes=3)
    assert count(asked_for) - count(plain) == 3 * 64 + 4 * 16  # the maps, and the first filters' share for them
    more = count(ConvGenerator(channels=1, size=(8, 8), width=4, num_classes=3, embedding=5))
    assert more - count(ConvGenerator(channels=1, size=(8, 8), width=4)) == 3 * 5 + 5 * 8 * 4


def test_losses_are_the_published_ones() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0, 0.25])
    assert HINGE.discriminator(real, fake).item() == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 1 + 1.25) / 3)
    assert HINGE.generator(fake).item() == pytest.approx((3.0 - 0.25) / 3)
    real_share, fake_share = real.double().sigmoid(), fake.double().sigmoid()
    expected = -real_share.log().mean() - (1 - fake_share).log().mean()
    assert LOGISTIC.discriminator(real, fake).item() == pytest.approx(expected.item())
    assert LOGISTIC.generator(fake).item() == pytest.approx(-fake_share.log().mean().item())
    assert LOGISTIC.discriminator(torch.zeros(4), torch.zeros(4)).item() == pytest.approx(1.3862944)


def test_sure_discriminators_leave_the_generator_a_gradient_in_both_losses() -> None:
    for losses in (LOGISTIC, HINGE):
        fake = torch.full((4,), -20.0, requires_grad=True)
        losses.generator(fake).backward()
        assert fake.grad is not None
        assert torch.allclose(fake.grad, torch.full((4,), -0.25))


class Watching:
    """Optimizers that note what a player's step does to the other one."""

    def __init__(self, model: Any) -> None:
        self.model, self.inner = model, optimizers(model)
        self.asked: list[str] = []

    def minimize(self, loss: Callable[[], Tensor], part: str) -> Tensor:
        self.asked.append(part)
        mine = list(self.model.parts()[part])
        others = [p for p in self.model.parameters() if all(p is not q for q in mine)]
        assert len(mine) + len(others) == len(list(self.model.parameters()))
        self.model.zero_grad()
        before = {id(p): p.detach().clone() for p in self.model.parameters()}
        value = self.inner.minimize(loss, part)
        assert all(p.grad is None and torch.equal(p, before[id(p)]) for p in others)
        assert any(not torch.equal(p, before[id(p)]) for p in mine)
        return value


@every_model
def test_a_players_step_leaves_no_gradient_in_the_other(name: str) -> None:
    model = built(name)
    watching = Watching(model)
    for _ in range(2):
        model.train_step(batch_for(name), watching)
    assert watching.asked == (["discriminator"] * model.discriminator_steps + ["generator"]) * 2


@every_model
def test_gradient_reaches_every_parameter(name: str) -> None:
    model = built(name)
    (real, *classes), *_ = model.shares(batch_for(name, 24))
    for attention in ("generator.attention.gamma", "discriminator.attention.gamma"):
        if attention in dict(model.named_parameters()):
            nn.init.constant_(model.get_parameter(attention), 0.5)
    noise = torch.randn(len(real), model.noise)
    fake = model.generator(noise, *classes)
    (model.discriminator_loss(real, fake, *classes) + 1.7 * model.generator_loss(noise, *classes)).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@every_model
def test_closures_are_functions_of_the_parameters_alone(name: str) -> None:
    """An optimizer may evaluate one several times in a step: with the same parameters it gives the same loss. Dropout
    draws anew each time, as in any network."""
    model = built(name)
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0

    class Twice:
        def minimize(self, loss: Any, part: str) -> Tensor:
            first, second = loss().detach(), loss().detach()
            assert torch.equal(first, second)
            return first

    model.train_step(batch_for(name), Twice())


@every_model
def test_an_optimizer_with_closures_trains_a_player(name: str) -> None:
    model = built(name)
    trained = optimizers(model, **{"generator.optimizer": "lbfgs[max_iter=2]"})
    assert model.train_step(batch_for(name), trained).isfinite()


@every_model
def test_samples_depend_on_the_given_generator_alone(name: str) -> None:
    model = built(name)
    trained = optimizers(model)
    for _ in range(2):
        model.train_step(batch_for(name), trained)
    model.eval()
    with torch.no_grad():
        first = model.sample(9, torch.Generator().manual_seed(1), *asked(name, 9))
        torch.manual_seed(99)
        assert torch.equal(first, model.sample(9, torch.Generator().manual_seed(1), *asked(name, 9)))
        assert not torch.equal(first, model.sample(9, torch.Generator().manual_seed(2), *asked(name, 9)))


@every_model
def test_a_sample_doesnt_depend_on_those_drawn_with_it(name: str) -> None:
    model = built(name)
    model.train_step(batch_for(name), optimizers(model))
    model.eval()
    noise, classes = torch.randn(9, model.noise), asked(name, 9)
    with torch.no_grad():
        among = model.generator(noise, *classes)[:2]
        alone = model.generator(noise[:2], *(c[:2] for c in classes))
    assert torch.allclose(among, alone, atol=1e-5)


@every_model
def test_a_state_dict_brings_a_model_back(name: str) -> None:
    model = built(name)
    model.train_step(batch_for(name), optimizers(model))
    other = built(name)
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        first, second = (m.eval().sample(4, torch.Generator().manual_seed(1), *asked(name, 4)) for m in (model, other))
    assert torch.equal(first, second)


@every_model
def test_lowered_precision_trains(name: str) -> None:
    model = built(name)
    trained = optimizers(model)
    with torch.autocast("cpu", torch.bfloat16):
        losses = [model.train_step(batch_for(name), trained) for _ in range(2)]
    assert all(loss.isfinite() and loss.dtype == torch.float32 for loss in losses)


def test_each_step_of_the_discriminator_has_its_own_share() -> None:
    model = built("dcgan-2")
    batch = batch_for("dcgan-2", 7)
    shares = model.shares(batch)
    assert [len(real) for (real,) in shares] == [4, 3]
    assert torch.equal(torch.cat([real for (real,) in shares]), batch.inputs)


def test_a_class_is_learnt() -> None:
    """Two classes of points that lie apart: samples lie where their class does."""
    model = SPECS["cgan"].build(Signature(input=Vector(features=2), output=ConditionalSample(num_classes=2)), width=32)
    trained = optimizers(model)
    places = torch.tensor([[2.0, -1.0], [-2.0, 1.0]])
    for _ in range(400):
        classes = torch.arange(64) % 2
        model.train_step(Batch(places[classes] + 0.1 * torch.randn(64, 2), classes, size=64), trained)
    classes = torch.arange(400) % 2
    with torch.no_grad():
        samples = model.eval().sample(400, torch.Generator().manual_seed(0), classes)
    for label, place in enumerate(places):
        assert (samples[classes == label].mean(0) - place).abs().max() < 0.5


def test_two_time_scales_are_the_published_ones() -> None:
    model = built("sagan")
    recipe = resolve([("model", SPECS["sagan"].recipes[Image])]).recipe
    groups = {name: p.optimizer.param_groups[0] for name, p in PartOptimizers(model, recipe, catalog())._parts.items()}
    assert {name: (group["lr"], group["betas"]) for name, group in groups.items()} == {
        "generator": (1e-4, (0.0, 0.9)),
        "discriminator": (4e-4, (0.0, 0.9)),
    }
