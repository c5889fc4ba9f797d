"""`cyclegan` and the baselines of translation: sizes, both players, cycles that say nothing, the buffer, learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dlbench_baseline
import dlbench_gan
from dlbench import Batch, Image, NotApplicable, Signature, Translate
from dlbench.contract.choice import option_defaults
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench.errors import UsageError
from dlbench.testing import check_model, report
from dlbench_gan.cyclegan import CycleGAN, Past, discriminator_loss, fooling_loss, sizes
from dlbench_gan.translators import ConvGenerator, PatchDiscriminator
from workshop import catalog, cell

pytestmark = pytest.mark.numbers

SPEC = next(spec for spec in dlbench_gan.dlbench_models() if spec.name == "cyclegan")
BASELINES = {spec.name: spec for spec in dlbench_baseline.dlbench_models()}


def signature(channels: int = 1, height: int = 8, width: int = 8) -> Signature:
    return Signature(input=Image(channels=channels, height=height, width=width), output=Translate())


def tiny(**options: Any) -> CycleGAN:
    torch.manual_seed(0)
    return SPEC.build(signature(), **{"width": 4, "depth": 1, **options})


def optimizers(model: nn.Module, **settings: Any) -> PartOptimizers:
    layers = [("model", SPEC.recipes[Translate]), ("test", settings)]
    return PartOptimizers(model, resolve(layers).recipe, catalog())


def dots(count: int, seed: int = 0) -> Batch:
    """One bright pixel in a dark picture, and one dark pixel in a bright picture, each anywhere."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.randint(64, (2, count), generator=generator)
    first, second = (2 * nn.functional.one_hot(place, 64).float().view(-1, 1, 8, 8) - 1 for place in places)
    return Batch(inputs=first, targets=-second, size=count)


# --- sizes ------------------------------------------------------------------------------------------------


def test_at_the_published_size_there_are_as_many_parameters_as_published() -> None:
    model = SPEC.build(signature(3, 256, 256), width=64, depth=9)
    players = {name: sum(p.numel() for p in child.parameters()) for name, child in model.named_children()}
    assert players == {
        "generator": 11_378_179, "generator_back": 11_378_179,
        "discriminator": 2_764_737, "discriminator_back": 2_764_737,
    }  # fmt: skip


def test_a_published_patch_is_70_pixels_wide() -> None:
    """What one number of the map depends on, by its gradient; without the normalisation, which sees all."""
    discriminator = PatchDiscriminator(channels=1, width=1, layers=3)
    convolutions = nn.Sequential(*(m for m in discriminator.layers if isinstance(m, nn.Conv2d))).double()
    picture = torch.zeros(1, 1, 160, 160, dtype=torch.float64, requires_grad=True)
    convolutions(picture)[0, 0, 8, 8].backward()
    seen = picture.grad[0, 0].nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [70, 70]


@pytest.mark.parametrize("size", [(1, 8, 8), (1, 9, 13), (3, 16, 16), (1, 28, 28), (3, 32, 33), (3, 64, 64)], ids=str)
@pytest.mark.parametrize("dense", [False, True])
def test_pictures_keep_their_shape_and_both_players_learn(size: tuple[int, int, int], dense: bool) -> None:
    model = SPEC.build(signature(*size), width=2, depth=1, dense=dense)
    pictures = torch.rand(2, *size) * 2 - 1
    for back in (False, True):
        with torch.no_grad():
            found = model.translate(pictures, back=back)
        assert found.shape == pictures.shape
        assert found.abs().max() <= 1
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    loss = model.train_step(Batch(inputs=pictures, targets=-pictures), optimizers(model))
    assert loss.isfinite()
    assert not loss.requires_grad
    moved = {name.partition(".")[0] for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"generator", "generator_back", "discriminator", "discriminator_back"}


def test_sizes_follow_the_pictures_up_to_the_published_ones() -> None:
    found = {side: sizes(side) for side in (8, 16, 28, 32, 64, 256)}
    assert found == {8: (0, 3, 1), 16: (1, 3, 2), 28: (1, 3, 3), 32: (2, 3, 3), 64: (2, 7, 3), 256: (2, 7, 3)}


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(NotApplicable, match="at least 8 x 8"):
        SPEC.build(signature(1, 8, 7))
    for options in ({"width": 0}, {"depth": 0}, {"cycle": -1.0}, {"identity": -0.1}, {"buffer": -1}):
        with pytest.raises(UsageError, match="cyclegan needs"):
            SPEC.build(signature(), **options)


def test_defaults_are_those_of_the_constructor() -> None:
    assert option_defaults(SPEC.build) == option_defaults(CycleGAN)


# --- two players ------------------------------------------------------------------------------------------


def test_parts_hold_each_parameter_once_and_take_their_own_recipe() -> None:
    model = tiny()
    parts = {name: list(parameters) for name, parameters in model.parts().items()}
    assert list(parts) == ["generator", "discriminator"]
    assert sorted(id(p) for held in parts.values() for p in held) == sorted(id(p) for p in model.parameters())
    trained = optimizers(model, **{"discriminator.lr": 4e-4, "lr": 1e-4, "generator.optimizer": "sgd"})
    found = {name: (type(part.optimizer).__name__, part.base_lrs) for name, part in trained._parts.items()}
    assert found == {"generator": ("SGD", [1e-4]), "discriminator": ("Adam", [4e-4])}


def test_a_players_step_leaves_no_gradient_in_the_other() -> None:
    model, batch = tiny(), dots(6)

    class Watching(PartOptimizers):
        def minimize(self, loss: Any, part: str | None = None) -> Tensor:
            for p in model.parameters():
                p.grad = None
            value = super().minimize(loss, part)
            with_gradient = {name.partition("_")[0].partition(".")[0] for name, p in model.named_parameters()
                             if p.grad is not None}  # fmt: skip
            assert with_gradient == {part}
            asked.append(part)
            return value

    asked: list[str | None] = []
    trained = Watching(model, resolve([("model", SPEC.recipes[Translate])]).recipe, catalog())
    model.train_step(batch, trained)
    assert asked == ["generator", "discriminator"]


def test_closures_are_functions_of_the_parameters_alone() -> None:
    """An optimizer may evaluate one several times in a step: with the same parameters it gives the same loss."""
    model = tiny(buffer=2)

    class Twice:
        def minimize(self, loss: Any, part: str) -> Tensor:
            first, second = loss().detach(), loss().detach()
            assert torch.equal(first, second)
            return first

    for seed in range(3):
        model.train_step(dots(6, seed), Twice())


def test_an_optimizer_with_a_closure_trains_it() -> None:
    model, batch = tiny(), dots(6)
    before = model.generator_loss(batch.inputs, batch.targets)[0].item()
    trained = optimizers(model, optimizer="lbfgs", lr=0.1)
    losses = [model.train_step(batch, trained).item() for _ in range(2)]
    assert losses[0] == pytest.approx(before)
    assert losses[-1] < before


# --- what the losses say ----------------------------------------------------------------------------------


class Roll(nn.Module):
    """An inverted picture whose rows are moved by so many places."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places

    def forward(self, pictures: Tensor) -> Tensor:
        return -pictures.roll(self.places, dims=2)


def with_generators(there: nn.Module, home: nn.Module, **options: Any) -> CycleGAN:
    model = tiny(**options)
    model.generator, model.generator_back = there, home
    return model


def cycle_loss(model: CycleGAN, batch: Batch) -> float:
    """What the weight of the cycle adds to the loss."""
    model.cycle, whole = 1.0, model.generator_loss
    with_it = whole(batch.inputs, batch.targets)[0].item()
    model.cycle = 0.0
    return with_it - whole(batch.inputs, batch.targets)[0].item()


def test_identity_generators_have_no_cycle_loss_and_fool_nobody() -> None:
    model, batch = with_generators(nn.Identity(), nn.Identity()), dots(32)
    assert cycle_loss(model, batch) == 0
    adam = torch.optim.Adam([*model.discriminator.parameters(), *model.discriminator_back.parameters()], lr=1e-2)
    for seed in range(30):
        shown = dots(32, seed)
        adam.zero_grad()
        loss = discriminator_loss(model.discriminator, shown.targets, shown.inputs)
        (loss + discriminator_loss(model.discriminator_back, shown.inputs, shown.targets)).backward()
        adam.step()
    fresh = dots(200, 99)
    with torch.no_grad():
        for judge, real, fake in (
            (model.discriminator, fresh.targets, model.generator(fresh.inputs)),
            (model.discriminator_back, fresh.inputs, model.generator_back(fresh.targets)),
        ):
            assert fooling_loss(judge, fake) > 0.8  # of 1 where all are called false
            assert judge(real).mean((1, 2, 3)).min() > 0.5 > judge(fake).mean((1, 2, 3)).max()


def test_a_relabelling_is_as_good_a_cycle_as_the_truth() -> None:
    """Where the row is what is meant, generators that agree to exchange the rows lose nothing on the way back."""
    batch = dots(64)
    for places in (0, 3):
        model = with_generators(Roll(places), Roll(-places))
        assert cycle_loss(model, batch) == 0
        meant = batch.inputs.amax(dim=3).argmax(dim=2)
        said = (-model.translate(batch.inputs)).amax(dim=3).argmax(dim=2)
        assert (meant == said).all() == (places == 0)
    assert cycle_loss(with_generators(Roll(3), Roll(0)), batch) > 0  # it must be consistent


def test_the_identity_loss_asks_that_the_other_domain_stays_as_it_is() -> None:
    batch = dots(8)
    for there, expected in ((nn.Identity(), 0.0), (Roll(0), 4.0)):  # |-x - x| is 2 everywhere, twice
        model = with_generators(there, there, identity=0.5, cycle=0.0)
        with_it = model.generator_loss(batch.inputs, batch.targets)[0]
        model.identity = 0.0
        without = model.generator_loss(batch.inputs, batch.targets)[0]
        assert (with_it - without).item() == pytest.approx(0.5 * expected, abs=1e-5)


# --- the buffer -------------------------------------------------------------------------------------------


def numbered(start: int, count: int) -> Tensor:
    return torch.arange(start, start + count, dtype=torch.float32).view(-1, 1, 1, 1)


def test_past_pictures_come_back_and_none_is_lost_or_doubled() -> None:
    torch.manual_seed(0)
    past = Past(50)
    assert torch.equal(past(numbered(0, 40)), numbered(0, 40))
    assert torch.equal(past(numbered(40, 20)), numbered(40, 20))  # ten of them are kept
    out = []
    for start in range(60, 1060, 20):
        given = set(past.pictures.flatten().tolist()) | set(range(start, start + 20))
        found = past(numbered(start, 20)).flatten().tolist()
        out += [number < start for number in found]
        assert sorted([*found, *past.pictures.flatten().tolist()]) == sorted(given)
    assert sum(out) / len(out) == pytest.approx(0.5, abs=0.06)  # 1,000 coins: four standard deviations
    assert len(past(numbered(0, 70))) == 70


def test_without_a_buffer_only_new_pictures_are_shown() -> None:
    past = Past(0)
    assert all(torch.equal(past(numbered(start, 8)), numbered(start, 8)) for start in (0, 8))


# --- the rest ---------------------------------------------------------------------------------------------


def test_an_odd_side_is_cut_back() -> None:
    generator = ConvGenerator(channels=1, width=2, depth=1, downs=2, stem=3)
    assert generator(torch.zeros(1, 1, 17, 30)).shape == (1, 1, 17, 30)


@pytest.mark.parametrize("name", ["cyclegan", "identity", "random_target"])
def test_models_conform(name: str) -> None:
    findings = check_model(catalog().model(name), catalog(), data_root=Path("no-data"))
    assert all(finding.ok for finding in findings), report(findings)
    assert any("digits_inverted" in finding.subject for finding in findings)


def test_a_random_target_is_a_training_picture_of_the_other_domain() -> None:
    model, batch = BASELINES["random_target"].build(signature()), dots(40)
    assert not model.translate(batch.inputs).any()
    for _ in range(3):
        model.train_step(batch, optimizers(model))
    for back, shown in ((False, batch.targets), (True, batch.inputs)):
        found = model.translate(batch.inputs, back=back)
        assert len(found.unique(dim=0)) > 10
        assert {row.numpy().tobytes() for row in found} <= {row.numpy().tobytes() for row in shown}
    assert len(model.second) == len(batch.targets.unique(dim=0))


def test_copies_are_copies() -> None:
    model, batch = BASELINES["identity"].build(signature()), dots(4)
    found = model.translate(batch.inputs)
    assert torch.equal(found, batch.inputs)
    assert found.data_ptr() != batch.inputs.data_ptr()


@pytest.mark.slow
def test_it_keeps_the_class_and_without_the_cycle_it_is_worse() -> None:
    """Seed 0 of the task's own recipe."""
    found, without = (
        cell(model, "digits_inverted")["metrics"]["test"] for model in ("cyclegan", "cyclegan[cycle=0.0]")
    )
    assert min(found["kept"], found["kept_back"]) >= 0.93
    assert found["frechet_inverted_360"] <= 8 < without["frechet_inverted_360"]
    assert found["cycle_error"] < without["cycle_error"]
