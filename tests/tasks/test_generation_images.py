"""dlbench_generation's pictures: the network in whose features they are judged, the tasks, the baselines on them."""

from __future__ import annotations

import math
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dlbench_generation
from dlbench import Batch
from dlbench.contract.runtime import Runtime
from dlbench.data import Data
from dlbench.data.root import default_cache
from dlbench.errors import Diverged
from dlbench.train.execution import Execution
from dlbench.train.judging import judge
from dlbench_generation.images import read
from dlbench_generation.images.judging import Judge
from dlbench_generation.images.load import NETWORKS
from dlbench_generation.images.network import checksum, feature_net
from workshop import cell

pytestmark = pytest.mark.numbers

SPECS = {spec.name: spec for spec in dlbench_generation.dlbench_tasks()}


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@cache
def task(name: str = "digits_gen") -> Any:
    return SPECS[name].open(Data(root=Path("no-data"), cache=default_cache()), {})


class Sampler:
    """A learner as a task sees it, with fixed samples."""

    def __init__(self, samples: Tensor) -> None:
        self.samples = samples

    def sample(self, count: int, generator: torch.Generator, classes: Tensor | None = None) -> Tensor:
        assert generator.device.type == "cpu"
        return self.samples[torch.arange(count) % len(self.samples)]


def real(split: str) -> Tensor:
    found = task()
    return found.pictures_of.floats(found.pictures_of.splits[split][0])


# --- the network ------------------------------------------------------------------------------------------


def test_the_network_knows_digits_that_it_has_not_seen() -> None:
    found = task()
    reference = found.judge_of.reference("test")
    assert reference.features.shape == (597, 64)
    assert reference.recognised > 0.96
    assert found.checksums == {"digits_network": checksum(found.judge_of.network)}


def test_a_network_that_is_gone_or_spoilt_is_made_again_with_equal_weights(tmp_path: Path) -> None:
    pictures, data = read.digits(), Data(root=Path("no-data"), cache=tmp_path)
    made = checksum(feature_net(pictures, data, widths=(4,), steps=5))
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(file.read_bytes()[:-100])
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert checksum(feature_net(pictures, data, widths=(4,), steps=5)) == made
    assert torch.equal(torch.get_rng_state(), state)
    file.unlink()
    assert checksum(feature_net(pictures, data, widths=(4,), steps=5)) == made
    assert checksum(feature_net(pictures, data, widths=(4,), steps=6)) != made


def test_the_network_is_not_trained_on_test_pictures(tmp_path: Path) -> None:
    pictures, data = read.digits(), Data(root=Path("no-data"), cache=tmp_path)
    pixels, classes = pictures.splits["test"]
    other = read.Pictures(
        name="digits", splits={**pictures.splits, "test": (15 - pixels.clamp(max=15), classes)}, brightest=16
    )
    found = [checksum(feature_net(each, data, widths=(4,), steps=3)) for each in (pictures, other)]
    assert found[0] == found[1]


# --- the task ---------------------------------------------------------------------------------------------


def test_pictures_lie_between_minus_one_and_one_and_splits_are_apart() -> None:
    found = task()
    assert {split: len(real(split)) for split in ("train", "val", "test")} == {"train": 1000, "val": 200, "test": 597}
    batch = next(iter(found.batches("train", 1000, None)))
    assert (batch.inputs.min(), batch.inputs.max(), batch.targets) == (-1, 1, None)
    rows = torch.cat([real(split) for split in ("train", "val", "test")]).flatten(1)
    assert len(rows.unique(dim=0)) == 1797
    by_class = next(iter(task("digits_by_class").batches("train", 1000, None)))
    assert torch.equal(by_class.inputs, batch.inputs)
    assert torch.bincount(by_class.targets).min() > 90


def test_test_pictures_themselves_score_what_the_best_would() -> None:
    scores = task().judge(Sampler(real("test")), "test")
    assert scores["frechet_digits_597"] == pytest.approx(0, abs=1e-4)
    assert (scores["precision"], scores["recall"], scores["distinct"]) == (1.0, 1.0, 1.0)
    assert scores["copies"] == pytest.approx(0.01, abs=2e-3)
    assert scores["nearest_ratio"] == pytest.approx(1, abs=1e-6)
    assert scores["spread"] == pytest.approx(1, abs=1e-6)
    assert scores["class_entropy"] == pytest.approx(math.log(10), abs=0.01)


def test_training_pictures_score_the_floor_and_are_copies() -> None:
    scores = task().judge(Sampler(real("train")), "test")
    assert (scores["copies"], scores["nearest_ratio"]) == (1.0, 0.0)
    assert 2 < scores["frechet_floor"] < 9
    assert scores["frechet_digits_597"] == pytest.approx(scores["frechet_floor"], rel=0.5)
    assert task().warnings(scores) == ["copies"]


def test_true_pictures_are_recognised_and_teach_their_classes() -> None:
    found = task("digits_by_class")
    scores = found.judge(Sampler(real("test")), "test")
    assert scores["recognised"] == pytest.approx(scores["recognised_real"])
    assert scores["recognised"] > 0.96
    assert scores["accuracy_score"] > 0.98  # it is trained on what it is asked
    wrong = found.judge(Sampler(real("test").roll(1, dims=0)), "val")
    assert max(wrong["accuracy_score"], wrong["recognised"]) < 0.3


def test_a_missing_class_shows() -> None:
    found = task()
    pixels, classes = found.pictures_of.splits["test"]
    scores = found.judge(Sampler(found.pictures_of.floats(pixels[classes != 3])), "test")
    assert scores["class_entropy"] == pytest.approx(math.log(9), abs=0.02)
    assert scores["recall"] < 0.97
    assert scores["frechet_digits_597"] > 5


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_constant_pictures_have_collapsed(value: float) -> None:
    scores = task().judge(Sampler(torch.full((3, 1, 8, 8), value)), "test")
    assert all(math.isfinite(score) for score in scores.values())
    assert (scores["class_entropy"], scores["recall"], scores["spread"]) == (0.0, 0.0, 0.0)
    assert scores["frechet_digits_597"] > 100
    assert "collapsed" in task().warnings(scores)
    again = task("digits_by_class").judge(Sampler(torch.full((3, 1, 8, 8), value)), "val")
    assert again["accuracy_score"] < 0.3


class Broken(torch.nn.Module):
    """A learner whose samples have one value."""

    def __init__(self, value: float, *shape: int) -> None:
        super().__init__()
        self.value, self.shape = value, shape

    def sample(self, count: int, generator: torch.Generator, classes: Tensor | None = None) -> Tensor:
        samples = torch.zeros(count, *self.shape)
        samples[-1] = self.value
        return samples


@pytest.mark.parametrize("name", ["digits_gen", "digits_by_class"])
def test_samples_that_are_not_numbers_or_of_another_shape(name: str) -> None:
    with pytest.raises(Diverged, match=r"frechet_digits_597|accuracy_score"):
        judge(Broken(math.nan, 1, 8, 8), task(name), "val", Execution(Runtime()))
    for shape in ((8, 8), (3, 8, 8), (1, 8, 9)):
        with pytest.raises(ValueError, match=r"instead of pictures of the shape \(597, 1, 8, 8\)"):
            judge(Broken(0.0, *shape), task(name), "val", Execution(Runtime()))


def test_what_lies_outside_is_clamped() -> None:
    far = real("val") * 1e6
    assert task().judge(Sampler(far), "val") == task().judge(Sampler(far.clamp(-1, 1)), "val")


def test_judging_is_repeatable_and_leaves_the_seed_alone() -> None:
    class Noise:
        def sample(self, count: int, generator: torch.Generator, classes: Tensor) -> Tensor:
            return torch.rand(count, 1, 8, 8, generator=generator) * 2 - 1

    found = task("digits_by_class")
    first = found.judge(Noise(), "val")
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert found.judge(Noise(), "val") == first
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()


def test_the_same_seed_gives_the_same_picture() -> None:
    class Noise:
        def sample(self, count: int, generator: torch.Generator, classes: Tensor) -> Tensor:
            shades = torch.rand(count, 1, 8, 8, generator=generator) * 2 - 1
            return shades.where(classes[:, None, None, None] > 0, -1.0)

    first, second = (task("digits_by_class").pictures(Noise())["samples"] for _ in range(2))
    assert first.dtype == np.uint8
    assert first.shape == (513, 513, 3)
    np.testing.assert_array_equal(first, second)
    tiles = [first[3 + 51 * row :][:48, 3 + 51 * column :][:, :48] for row in range(10) for column in range(10)]
    assert max(tile.max() for tile in tiles[::10]) == 0  # a column for each class
    assert min(tile.max() for place, tile in enumerate(tiles) if place % 10) > 200


def test_wrong_uses_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="no loss of its own"):
        task().loss(torch.zeros(1), Batch(inputs=torch.zeros(1, 1, 8, 8)))


# --- the baselines on it ----------------------------------------------------------------------------------


def test_baselines_on_digits_stand_in_their_order() -> None:
    found = {model: cell(model, "digits_gen") for model in ("noise", "gaussian", "bootstrap", "kde")}
    distance = {model: ran["metrics"]["test"]["frechet_digits_597"] for model, ran in found.items()}
    assert distance["noise"] > 800
    assert 80 < distance["gaussian"] < 110
    assert 6 < distance["bootstrap"] < 13
    assert distance["bootstrap"] < distance["kde"] < 20
    flagged = {model for model, ran in found.items() if "copies" in ran["flags"]}
    assert flagged == {"bootstrap", "kde"}
    assert not any("collapsed" in ran["flags"] for ran in found.values())
    assert list(found["noise"]["checksums"]) == ["digits_network"]


def test_baselines_of_a_class() -> None:
    found = {model: cell(model, "digits_by_class")["metrics"]["test"] for model in ("noise", "gaussian", "bootstrap")}
    assert found["noise"]["accuracy_score"] < 0.3
    assert found["gaussian"]["recognised"] > 0.8
    assert found["bootstrap"]["accuracy_score"] > 0.9
    assert found["bootstrap"]["recognised"] > 0.99  # the network has seen them


@pytest.mark.slow
@pytest.mark.timing
def test_judging_two_thousand_pictures_of_28x28_takes_less_than_ten_seconds(tmp_path: Path) -> None:
    """On one thread, against as many training pictures as MNIST has."""
    draw = torch.Generator().manual_seed(1)
    splits = {
        split: (
            torch.randint(0, 256, (count, 1, 28, 28), generator=draw, dtype=torch.uint8),
            torch.randint(0, 10, (count,), generator=draw),
        )
        for split, count in (("train", 55_000), ("val", 100), ("test", 10_000))
    }
    pictures = read.Pictures(name="fake", splits=splits)
    data = Data(root=Path("no-data"), cache=tmp_path)
    widths, _ = NETWORKS["mnist"]
    judging = Judge(pictures, data, count=2000, widths=widths, steps=1)
    samples, asked = torch.rand(2000, 1, 28, 28, generator=draw) * 2 - 1, torch.arange(2000) % 10
    judging.reference("test"), judging.reference("train")
    for given, limit in ((None, 10), (asked, 20)):  # of classes, a classifier is trained on the samples as well
        start = time.process_time()
        judging.measure(samples, "test", given)
        assert time.process_time() - start < limit
