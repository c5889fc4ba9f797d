"""`vmf_kde`: the density against closed forms and scipy, its width, its samples, its state, what it refuses."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from scipy.stats import vonmises_fisher
from torch import Tensor

import dlbench_baseline
from dlbench import Batch, NotApplicable, Sample, Signature, Vector
from dlbench_baseline.sphere import CONCENTRATIONS, SphereKDE, choose_concentration

pytestmark = pytest.mark.numbers

SPEC = {spec.name: spec for spec in dlbench_baseline.dlbench_models()}["vmf_kde"]
SPHERE = Signature(input=Vector(features=3), output=Sample())


def directions(count: int, seed: int = 0, about: float = 0.0) -> Tensor:
    """Around the pole where `about` is large."""
    points = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed)) + torch.tensor([0.0, 0.0, about])
    return points / points.norm(dim=1, keepdim=True)


def seen(points: Tensor, size: int = 64) -> SphereKDE:
    model = SPEC.build(SPHERE)
    for part in points.split(size):
        assert model.train_step(Batch(inputs=part, size=len(part)), None).item() == 0
    return model.eval()


def fixed(points: Tensor, concentration: float) -> SphereKDE:
    model = seen(points)
    model.state_dict()
    model.concentration.fill_(concentration)
    return model


@pytest.mark.parametrize("concentration", [1.0, 30.0, 1e4])
def test_the_density_is_the_mean_of_scipys(concentration: float) -> None:
    points, asked = directions(40), directions(25, seed=1)
    asked = torch.cat([asked, points[:5]])
    kernels = [vonmises_fisher(p / np.linalg.norm(p), concentration) for p in points.double().numpy()]
    rows = asked.double().numpy()
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    expected = np.logaddexp.reduce([kernel.logpdf(rows) for kernel in kernels], axis=0) - math.log(40)
    assert fixed(points, concentration).log_density(asked).numpy() == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_one_kernel_has_the_closed_form() -> None:
    pole = torch.tensor([[0.0, 0.0, 1.0]])
    model = fixed(pole, 2.0)
    asked = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [5.0, 0.0, 0.0]])  # of the last only the direction counts
    scale = 2.0 / (4 * math.pi * math.sinh(2.0))
    expected = [math.log(scale) + 2.0, math.log(scale) - 2.0, math.log(scale)]
    assert model.log_density(asked).tolist() == pytest.approx(expected, rel=1e-6)


def test_its_mass_is_one() -> None:
    count = 20_000
    index = np.arange(count) + 0.5  # Fibonacci's lattice, whose points have equal areas
    height, turn = 1 - 2 * index / count, np.pi * (1 + math.sqrt(5)) * index
    level = np.sqrt(1 - height**2)
    lattice = torch.from_numpy(np.stack([level * np.cos(turn), level * np.sin(turn), height], axis=1)).float()
    model = seen(directions(300, about=2.0))
    assert model.log_density(lattice).exp().mean().item() * 4 * math.pi == pytest.approx(1, abs=1e-3)


def test_before_it_has_seen_anything_it_is_uniform() -> None:
    model = SPEC.build(SPHERE).eval()
    assert model.log_density(directions(5)).tolist() == pytest.approx([-math.log(4 * math.pi)] * 5)
    drawn = model.sample(4000, torch.Generator().manual_seed(0))
    assert drawn.mean(dim=0).abs().max() < 0.04
    assert drawn.norm(dim=1) == pytest.approx(1)


@pytest.mark.parametrize("concentration", [1.0, 20.0, 1e5])
def test_samples_turn_from_their_centre_as_far_as_the_distribution_says(concentration: float) -> None:
    """The mean of cos of the angle is coth(c) - 1 / c."""
    pole = torch.tensor([[0.0, 0.0, 1.0]])
    drawn = fixed(pole, concentration).sample(20_000, torch.Generator().manual_seed(3)).double()
    turned = (1 - drawn[:, 2]).mean().item() * concentration
    assert turned == pytest.approx(concentration - (concentration / math.tanh(concentration) - 1), rel=0.03)
    assert (drawn.norm(dim=1) - 1).abs().max() < 1e-6
    assert drawn[:, :2].mean(dim=0).abs().max() < 4 / math.sqrt(20_000 * concentration)


def test_points_that_come_often_are_drawn_often_and_count_often() -> None:
    points = torch.eye(3)[torch.tensor([0] * 6 + [1] * 3 + [2])]
    model = fixed(points, 1e6)
    assert model.counts.sum() == 10
    drawn = model.sample(5000, torch.Generator().manual_seed(4)).argmax(dim=1).bincount(minlength=3) / 5000
    assert drawn.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.03)
    density = model.log_density(torch.eye(3))
    assert (density[0] - density[2]).item() == pytest.approx(math.log(6), abs=1e-4)


def test_the_width_is_that_of_the_data() -> None:
    """The most likely of held-out points by other widths is no better; points in clusters ask for narrow kernels."""
    wide, narrow = directions(800, about=1.0), directions(800, about=60.0)
    chosen = [seen(points) for points in (wide, narrow)]
    for model in chosen:
        model.state_dict()
        assert model.concentration.item() in CONCENTRATIONS[1:-1]
    assert chosen[1].concentration > 30 * chosen[0].concentration


def test_repeated_points_do_not_make_kernels_without_width() -> None:
    once = directions(300, about=1.0)
    counts = torch.full((300,), 7)
    alone = choose_concentration(once.double(), torch.ones(300, dtype=torch.int64))
    assert choose_concentration(once.double(), counts) == alone
    model = seen(once.repeat(7, 1))
    model.state_dict()
    assert model.concentration < 1e4


def test_state_and_copies_answer_alike_and_the_order_of_points_does_not_count() -> None:
    points = directions(3000, about=1.0)  # more than are kept before they are joined
    model, asked = seen(points), directions(50, seed=7)
    first = model.log_density(asked)
    fresh = SPEC.build(SPHERE)
    fresh.load_state_dict(model.state_dict())
    for other in (fresh.eval(), copy.deepcopy(model), seen(points.flip(0), size=100)):
        assert torch.equal(other.log_density(asked), first)
        one, two = (m.sample(9, torch.Generator().manual_seed(1)) for m in (other, model))
        assert torch.equal(one, two)


def test_what_lies_on_no_sphere_is_refused() -> None:
    with pytest.raises(NotApplicable, match="3 numbers each, not 2"):
        SPEC.build(Signature(input=Vector(features=2), output=Sample()))
    for points in (2 * directions(5), torch.zeros(5, 3), torch.full((5, 3), math.nan)):
        model = seen(points)
        with pytest.raises(ValueError, match="points of length 1"):
            model.sample(1, torch.Generator())
