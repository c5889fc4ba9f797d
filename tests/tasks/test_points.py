"""`moons` and `earth`: discrepancies, densities, what is true, uniform, collapsed or no number at all."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dlbench_generation
from dlbench import Batch, NoData, UsageError
from dlbench.data import Data
from dlbench_generation.points.discrepancy import Discrepancy, tame
from dlbench_generation.points.earth import make_task, on_sphere, read_places, unit_vectors
from dlbench_generation.points.files import EARTH, HEADERS, earth_files
from dlbench_generation.points.moons import Density, draw
from dlbench_generation.points.task import scatter

pytestmark = pytest.mark.numbers

SPECS = {spec.name: spec for spec in dlbench_generation.dlbench_tasks()}
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))
COUNTS = {"fire": 12_809, "quakes": 6_120, "volcanoes": 827}
DISTINCT = {"fire": 12_802, "quakes": 5_447, "volcanoes": 267}
UNIFORM = math.log(4 * math.pi)
ENTROPY = 1.008  # of moons, in nats


class Sampler:
    """A learner as a task sees it, with fixed samples and the log density of points."""

    def __init__(self, samples: Tensor, density: Any = None) -> None:
        self.samples, self.density = samples, density

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        return self.samples[:count]

    def offers(self, verb: str) -> bool:
        return verb == "log_density" and self.density is not None

    def log_density(self, batch: Batch) -> Tensor:
        return self.density(batch.inputs)


def uniform(count: int, seed: int = 0) -> Tensor:
    """Evenly over the sphere."""
    points = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return points / points.norm(dim=1, keepdim=True)


# --- the discrepancy --------------------------------------------------------------------------------------


def test_equal_sets_have_no_discrepancy_in_whatever_order() -> None:
    points = torch.randn(300, 2)
    truth = Discrepancy(points, (0.1, 1.0))
    assert truth.mmd(points) == 0.0
    assert truth.mmd(points.flip(0)) == pytest.approx(0, abs=1e-7)
    assert truth.spread(points) == pytest.approx(1)


def test_two_points_have_the_closed_form() -> None:
    """sqrt(k(a, a) + k(b, b) - 2 k(a, b)), the kernel the mean over its scales."""
    truth = Discrepancy(torch.tensor([[0.0, 0.0]]), (0.5, 2.0))
    kernel = (math.exp(-1 / (2 * 0.25)) + math.exp(-1 / (2 * 4))) / 2
    assert truth.mmd(torch.tensor([[0.6, 0.8]])) == pytest.approx(math.sqrt(2 - 2 * kernel))


def test_samples_of_two_gaussians_come_near_the_closed_form() -> None:
    """E k(x, y) of N(0, s^2 I) and N(m, s^2 I) in the plane is h^2 / (h^2 + 2 s^2) exp(-|m|^2 / 2 / (h^2 + 2 s^2))."""
    random, scale, moved = torch.Generator().manual_seed(1), 0.7, 1.5
    first, second = (torch.randn(2000, 2, generator=random) for _ in range(2))
    wide = scale**2 + 2
    expected = math.sqrt(2 * scale**2 / wide * (1 - math.exp(-(moved**2) / 2 / wide)))
    found = Discrepancy(first, (scale,)).mmd(second + torch.tensor([moved, 0.0]))
    assert found == pytest.approx(expected, abs=0.03)


def test_the_same_distribution_twice_has_the_floor_that_the_docstring_names() -> None:
    random = torch.Generator().manual_seed(2)
    first, second = (torch.randn(500, 2, generator=random) for _ in range(2))
    assert Discrepancy(first, (0.01,)).mmd(second) == pytest.approx(math.sqrt(2 / 500), rel=0.05)


def test_what_is_no_number_is_far_away() -> None:
    bad = torch.tensor([[math.nan, 0.0], [math.inf, -math.inf], [3e38, 0.0]])
    assert tame(bad).abs().max() == 1e3
    truth = Discrepancy(torch.randn(50, 2), (0.1, 1.0))
    assert math.isfinite(truth.mmd(bad))
    assert math.isfinite(truth.spread(bad))
    assert truth.mmd(bad[:1]) > 1


# --- moons ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moons() -> Any:
    return SPECS["moons"].load(DATA)


def test_the_density_of_moons_has_mass_one() -> None:
    density = Density(0.1)
    side = torch.linspace(-1.6, 2.6, 150, dtype=torch.float64)
    mass = density.log(torch.cartesian_prod(side, side)).exp().sum().item() * (side[1] - side[0]).item() ** 2
    assert mass == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("noise", [0.02, 0.5])
def test_the_density_of_moons_is_the_mean_along_both_arcs(noise: float) -> None:
    places = torch.from_numpy(draw(50, noise, np.random.RandomState(3))).double()
    angle = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000 * math.pi
    upper = torch.stack([angle.cos(), angle.sin()], dim=1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], dim=1)
    squared = torch.cdist(places, torch.cat([upper, lower])).square()
    expected = torch.exp(-squared / (2 * noise**2)).mean(dim=1) / (2 * math.pi * noise**2)
    assert torch.allclose(Density(noise).log(places), expected.log(), atol=1e-4)


def test_true_moons_reach_the_floor_and_others_do_not(moons: Any) -> None:
    truth = torch.from_numpy(draw(1000, 0.1, np.random.RandomState(4)))
    found = moons.judge(Sampler(truth), "test")
    assert found["mmd_1000"] == pytest.approx(found["mmd_1000_floor"], abs=0.012)
    assert found["high_density"] == pytest.approx(0.95, abs=0.03)
    assert found["spread"] == pytest.approx(1, abs=0.05)
    assert list(moons.warnings(found)) == []
    noise = moons.judge(Sampler(torch.randn(1000, 2)), "test")
    assert noise["mmd_1000"] > 4 * found["mmd_1000"]
    one_moon = moons.judge(Sampler(truth[truth[:, 1] > 0.5].repeat(4, 1)), "test")
    assert one_moon["high_density"] > 0.9
    assert one_moon["mmd_1000"] > 4 * found["mmd_1000"]


@pytest.mark.parametrize("value", [0.3, math.nan, math.inf])
def test_identical_samples_are_flagged(moons: Any, value: float) -> None:
    found = moons.judge(Sampler(torch.full((1000, 2), value)), "test")
    assert all(math.isfinite(number) for number in found.values())
    assert found["spread"] == 0.0
    assert list(moons.warnings(found)) == ["collapsed"]


def test_the_true_density_has_the_least_likelihood(moons: Any) -> None:
    truth, blurred = Density(0.1), Density(0.15)
    exact = moons.judge(Sampler(torch.zeros(1000, 2), lambda points: truth.log(points).float()), "test")["nll"]
    other = moons.judge(Sampler(torch.zeros(1000, 2), lambda points: blurred.log(points).float()), "test")["nll"]
    assert exact < other - 0.05
    assert exact == pytest.approx(ENTROPY, abs=0.08)


def test_options_of_moons_are_checked() -> None:
    for noise in (0.01, 1.1, math.nan):
        with pytest.raises(UsageError, match="'noise'"):
            SPECS["moons"].load(DATA, noise=noise)
    with pytest.raises(UsageError, match="'num_train'"):
        SPECS["moons"].load(DATA, num_train=0)


# --- earth ------------------------------------------------------------------------------------------------


def earth(data_root: Path, **options: Any) -> Any:
    if not (data_root / EARTH["fire"].files[0].path).is_file():
        pytest.skip("earth is not in the data root")
    return SPECS["earth"].load(Data(root=data_root, cache=Path("none")), **options)


@pytest.mark.parametrize("name", COUNTS)
def test_the_files_hold_the_published_numbers_of_points(data_root: Path, name: str) -> None:
    if not (data_root / EARTH[name].files[0].path).is_file():
        pytest.skip("earth is not in the data root")
    places = read_places(data_root / EARTH[name].files[0].path, HEADERS[name])
    assert len(places) == COUNTS[name]
    assert len(np.unique(places, axis=0)) == DISTINCT[name]
    assert earth_files(set=name) is EARTH[name]


def test_splits_are_parts_of_a_whole_and_change_with_the_seed(data_root: Path) -> None:
    task = earth(data_root, set="quakes")
    assert {split: len(points) for split, points in task.points.items()} == {"train": 4896, "val": 612, "test": 612}
    everything = torch.cat(list(task.points.values()))
    assert everything.norm(dim=1).sub(1).abs().max() < 1e-6
    other = torch.cat(list(earth(data_root, set="quakes", split=1).points.values()))
    assert not torch.equal(everything, other)
    assert torch.equal(everything.unique(dim=0), other.unique(dim=0))
    once = earth(data_root, set="volcanoes", repeats=False)
    assert sum(map(len, once.points.values())) == len(torch.cat(list(once.points.values())).unique(dim=0)) == 267


def test_the_uniform_density_has_exactly_log_four_pi(data_root: Path) -> None:
    task = earth(data_root, set="volcanoes")
    known = Sampler(uniform(1000), lambda points: torch.full((len(points),), -UNIFORM, dtype=torch.float64))
    assert task.judge(known, "test")["nll"] == pytest.approx(UNIFORM, abs=1e-12)
    assert round(UNIFORM, 3) == 2.531


def test_a_density_of_points_in_space_has_no_likelihood_on_the_sphere(data_root: Path) -> None:
    task = earth(data_root, set="volcanoes")
    in_space = Sampler(uniform(1000), lambda points: -points.square().sum(dim=1) / 2)
    assert "nll" not in task.judge(in_space, "test")


def test_uniform_points_have_the_closed_form_and_more_than_the_floor(data_root: Path) -> None:
    """Of a kernel with scale h, the mean over the sphere is (1 - exp(-2 / h^2)) h^2 / 2 from wherever one looks."""
    task = earth(data_root)
    samples = uniform(1000)
    found = task.judge(Sampler(3 * samples), "test")  # their length doesn't count
    points = on_sphere(task.points["test"])
    even = sum((1 - math.exp(-2 / h**2)) * h**2 / 2 for h in (0.03, 0.1, 0.3)) / 3
    within = sum(torch.exp(-torch.cdist(points, points).square() / (2 * h * h)).mean().item() for h in (0.03, 0.1, 0.3))
    own = even + (1 - even) / 1000  # a sample is near itself
    assert found["mmd_1000"] == pytest.approx(math.sqrt(within / 3 + own - 2 * even), rel=0.03)
    assert found["mmd_1000"] > 3 * found["mmd_1000_floor"]
    assert list(task.warnings(found)) == []


@pytest.mark.parametrize("value", [0.0, 0.5, math.nan, math.inf])
def test_samples_at_one_place_are_flagged(data_root: Path, value: float) -> None:
    task = earth(data_root, set="volcanoes")
    found = task.judge(Sampler(torch.full((1000, 3), value)), "test")
    assert all(math.isfinite(number) for number in found.values())
    assert found["spread"] == pytest.approx(0, abs=1e-6)
    assert list(task.warnings(found)) == ["collapsed"]


def test_places_become_unit_vectors_and_come_back() -> None:
    places = np.array([[90.0, 0.0], [0.0, 0.0], [0.0, 90.0], [-30.0, -120.0]])
    vectors = unit_vectors(places)
    assert vectors[:3] == pytest.approx(np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]), abs=1e-15)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert on_sphere(torch.tensor([[0.0, 0.0, 0.0], [math.nan, 0.0, 1.0]])).tolist() == [[0, 0, 1], [0, 0, 1]]


def test_the_map_has_east_at_the_right_and_north_above(data_root: Path) -> None:
    task = earth(data_root, set="volcanoes")
    there = torch.from_numpy(unit_vectors(np.array([[45.0, 90.0]]))).float().expand(1000, 3)
    picture = task.pictures(Sampler(there))["samples"]
    assert picture.shape == (240, 480, 3)
    red = np.argwhere((picture == (200, 30, 40)).all(axis=2))
    assert red.mean(axis=0) == pytest.approx([60.5, 360.5], abs=1)


def test_what_is_no_table_of_places_is_refused(tmp_path: Path) -> None:
    for text in ("a,b\nx,y\n", "a,b\n1,2,3\n4,5,6\n", "a,b\n91,0\n", "a,b\nnan,0\n"):
        file = tmp_path / "places.csv"
        file.write_text(text)
        with pytest.raises(NoData, match=r"places\.csv isn't a table of latitudes and longitudes"):
            read_places(file, 1)
    file.write_text("a,b\r\n" + "\r\n".join(f"{i},{2 * i}" for i in range(20)))
    assert len(make_task(file, header=1, split=0, repeats=True).points["train"]) == 16


def test_an_unknown_set_and_split_are_refused(data_root: Path) -> None:
    with pytest.raises(UsageError, match="no set of earth 'fires'; did you mean 'fire'"):
        earth_files(set="fires")
    with pytest.raises(UsageError, match="'split'"):
        earth(data_root, split=-1)


def test_a_scatter_leaves_out_what_lies_outside() -> None:
    inside, outside = np.array([[0.0, 0.0]]), np.array([[5.0, 0.0], [np.nan, 0.0], [0.0, -1.0]])
    picture = scatter(inside, outside, (-1.0, -0.5, 1.0, 0.5), longer=20)
    assert picture.shape == (10, 20, 3)
    assert (picture == 185).all(axis=2).sum() == 4
    assert (picture == 255).all(axis=2).sum() == 196
