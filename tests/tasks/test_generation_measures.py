"""The measures of dlbench_generation's pictures: each against what is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from dlbench_generation.images.copies import copied, to_nearest
from dlbench_generation.images.frechet import frechet, moments
from dlbench_generation.images.judging import distinct, entropy, warnings
from dlbench_generation.images.manifold import covered, precision_and_recall

pytestmark = pytest.mark.numbers


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


# --- the Frechet distance ---------------------------------------------------------------------------------


def gaussian(count: int, mean: Tensor, root: Tensor) -> Tensor:
    """Points (count, D) whose mean and covariance are exactly `mean` and `root` squared."""
    points = torch.randn(count, len(mean), dtype=torch.float64)
    points = points - points.mean(0)
    values, vectors = torch.linalg.eigh(points.T @ points / (count - 1))
    return mean + points @ (vectors / values.sqrt()) @ vectors.T @ root


def test_a_set_is_nowhere_from_itself() -> None:
    features = torch.randn(100, 64, dtype=torch.float64) @ torch.randn(64, 64, dtype=torch.float64)
    features[:, 40:] = 0  # singular, as rectified features are
    scale = float(moments(features).covariance.trace())
    assert 0 <= frechet(moments(features), moments(features)) < 1e-12 * scale
    assert 0 <= frechet(moments(features), moments(features.flip(0))) < 1e-12 * scale


def test_two_gaussians_have_the_closed_form() -> None:
    """Covariances that commute: the sum of squared differences of means and of standard deviations."""
    turn = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))[0]
    first, second = torch.tensor([1.0, 2.0, 0.0, 0.5, 3.0]).double(), torch.tensor([2.0, 2.0, 1.0, 0.0, 0.1]).double()
    shift = torch.tensor([3.0, 0.0, -1.0, 0.0, 0.5], dtype=torch.float64)
    points = gaussian(200, torch.zeros(5, dtype=torch.float64), turn * first @ turn.T)
    others = gaussian(300, shift, turn * second @ turn.T)
    expected = float(shift.square().sum() + (first - second).square().sum())
    assert frechet(moments(points), moments(others)) == pytest.approx(expected, rel=1e-9)
    assert frechet(moments(others), moments(points)) == pytest.approx(expected, rel=1e-9)


def test_it_is_torchmetrics_with_a_network_of_ones_own() -> None:
    class Flat(torch.nn.Module):
        num_features = 12

        def forward(self, pictures: Tensor) -> Tensor:
            return pictures.flatten(1)

    first, second = torch.rand(60, 3, 2, 2, dtype=torch.float64), torch.rand(50, 3, 2, 2, dtype=torch.float64) ** 2
    theirs = FrechetInceptionDistance(Flat(), normalize=True).set_dtype(torch.float64)
    theirs.update(first, real=True)
    theirs.update(second, real=False)
    found = frechet(moments(first.flatten(1)), moments(second.flatten(1)))
    assert found == pytest.approx(float(theirs.compute()), rel=1e-6)
    assert found > 0.1


def test_fewer_examples_look_further_away() -> None:
    """Two halves of one Gaussian: the bias falls with the number."""
    few, many = torch.randn(2, 250, 64), torch.randn(2, 1000, 64)
    assert frechet(moments(few[0]), moments(few[1])) > 3 * frechet(moments(many[0]), moments(many[1])) > 1


# --- precision and recall, copies, classes ----------------------------------------------------------------


def test_a_set_covers_itself_and_nothing_far_away() -> None:
    points = torch.randn(700, 8)
    assert precision_and_recall(points, points) == (1.0, 1.0)
    assert precision_and_recall(points, points + 100) == (0.0, 0.0)
    assert covered(points[:5], points[:1].expand(10, 8)) == 0.2  # balls without a radius


def test_coverage_on_a_line() -> None:
    """Centres at 0, 1, 3, 7 with their first neighbours 1, 1, 2 and 4 away."""
    centres = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    points = torch.tensor([[-1.0], [-1.1], [5.0], [11.0], [11.1]])
    assert covered(points, centres, k=1) == 0.6
    with pytest.raises(ValueError, match="too few to have 4 neighbours"):
        covered(points, centres, k=4)


def test_precision_sees_what_is_narrow_and_recall_what_is_missing() -> None:
    points = torch.randn(1000, 4)
    precision, recall = precision_and_recall(0.3 * torch.randn(1000, 4), points)
    assert precision > 0.95
    assert recall < 0.6


def test_the_nearest_example_is_found_exactly() -> None:
    pixels = torch.randint(0, 256, (6000, 1, 3, 3), dtype=torch.uint8)

    def floats(pixels: Tensor) -> Tensor:
        return pixels / 127.5 - 1

    points = torch.cat([floats(pixels[5990:]).flatten(1), torch.randn(20, 9)])
    found = to_nearest(points, pixels, floats)
    assert found[:10].tolist() == [0.0] * 10
    expected = torch.cdist(points.double(), floats(pixels).flatten(1).double()).min(dim=1).values
    torch.testing.assert_close(found[10:].double(), expected[10:], rtol=1e-4, atol=1e-5)


def test_copies_score_one_and_nothing_and_new_examples_a_hundredth_and_one() -> None:
    distances = torch.rand(1000) + 1
    assert copied(torch.zeros(50), distances) == (1.0, 0.0)
    share, ratio = copied(distances, distances)
    assert share == pytest.approx(0.01, abs=1e-3)
    assert ratio == 1.0


def test_entropy_of_classes() -> None:
    assert entropy(torch.arange(100) % 10, 10) == pytest.approx(math.log(10))
    assert entropy(torch.full((100,), 3), 10) == 0.0
    assert entropy(torch.arange(90) % 9, 10) == pytest.approx(math.log(9))  # a class is missing
    assert entropy(torch.tensor([0, 0, 0, 1]), 2) == pytest.approx(0.25 * math.log(4) + 0.75 * math.log(4 / 3))


def test_equal_samples_count_once() -> None:
    samples = torch.rand(20, 1, 4, 4) * 2 - 1
    assert distinct(samples) == 1.0
    assert distinct(samples[:5].repeat(4, 1, 1, 1)) == 0.25


HONEST = {"copies": 0.015, "spread": 0.9, "distinct": 1.0, "class_entropy": 2.3}


@pytest.mark.parametrize(
    ("seen", "flags"),
    [
        ({}, []),
        ({"copies": 1.0}, ["copies"]),
        ({"spread": 0.01}, ["collapsed"]),
        ({"distinct": 0.1}, ["collapsed"]),
        ({"class_entropy": 0.1, "spread": 0.5}, ["collapsed"]),
        ({"class_entropy": 0.1, "spread": 1.2}, []),  # noise looks like one class, but is not alike
    ],
)
def test_flags(seen: dict[str, float], flags: list[str]) -> None:
    assert warnings({**HONEST, **seen}) == flags
