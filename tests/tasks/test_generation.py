"""`ring8` and `grid25`: true samples, floor, bound, what cheats get, and which flags."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dlbench_gan
import dlbench_generation
from dlbench import Batch
from dlbench.contract.runtime import Runtime
from dlbench.data import Data
from dlbench.errors import UsageError, WrongShape
from dlbench.train.execution import Execution
from dlbench.train.judging import Evaluator
from dlbench_baseline.constant import constant
from dlbench_generation.points.mixture import NUM_SAMPLES, OUTSIDE, divergence, grid25, measure, ring8
from workshop import cell

pytestmark = pytest.mark.numbers

SPECS = {spec.name: spec for spec in dlbench_generation.dlbench_tasks()}
SPEC = SPECS["ring8"]
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))
MIXTURES = {"ring8": ring8, "grid25": grid25}
LEAST_NLL = {"ring8": -4.293, "grid25": 0.065}


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


class Sampler:
    """A learner as a task sees it, with fixed samples; `density` is the log density that it knows, if it knows one."""

    def __init__(self, samples: Tensor, density: Any = None) -> None:
        self.samples, self.density = samples, density

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        assert generator.device.type == "cpu"
        return self.samples[:count]

    def offers(self, verb: str) -> bool:
        return verb == "log_density" and self.density is not None

    def log_density(self, batch: Batch) -> Tensor:
        return self.density(batch.inputs)


def scores(samples: Any, task: str = "ring8", **options: Any) -> dict[str, float]:
    return SPECS[task].load(DATA, **options).judge(Sampler(torch.as_tensor(samples, dtype=torch.float32)), "test")


def flags(found: dict[str, float], task: str = "ring8") -> list[str]:
    return list(SPECS[task].load(DATA).warnings(found))


def oracle(task: str, seed: int = 5, sd: float | None = None) -> np.ndarray:
    mixture = MIXTURES[task](sd or {"ring8": 0.01, "grid25": 0.05}[task])
    return mixture.draw(NUM_SAMPLES, np.random.RandomState(seed))


@pytest.mark.parametrize(("task", "sd"), [("ring8", 0.01), ("ring8", 0.1), ("grid25", 0.05), ("grid25", 0.3)])
def test_true_samples_have_all_modes_and_the_known_quality(task: str, sd: float) -> None:
    modes = len(MIXTURES[task](sd).centres)
    found = scores(oracle(task, sd=sd), task, sd=sd)
    quality = 1 - math.exp(-4.5)
    assert found["modes"] == modes == {"ring8": 8, "grid25": 25}[task]
    assert abs(found["high_quality"] - quality) < 3 * math.sqrt(quality * (1 - quality) / NUM_SAMPLES)
    # each cell is off by the mean absolute deviation of a binomial share
    shares = np.array([0.5 / modes] * modes + [(0.5 - OUTSIDE) / modes] * modes + [OUTSIDE])
    expected = 1 - 0.5 * math.sqrt(2 / math.pi) * np.sqrt(shares * (1 - shares) / NUM_SAMPLES).sum()
    assert found["overlap"] == pytest.approx(expected, abs=0.02)
    assert found["overlap_truth"] == pytest.approx(expected, abs=0.02)
    assert found["spread"] == pytest.approx(1, abs=4 / math.sqrt(4 * NUM_SAMPLES))  # 5,000 coordinates give the sd
    # twice the divergence times the samples is chi-squared with one degree less than there are modes
    assert 0 < 2 * NUM_SAMPLES * found["kl"] < modes - 1 + 5 * math.sqrt(2 * (modes - 1))
    assert flags(found, task) == []


def test_many_true_samples_come_near_the_bound() -> None:
    points = torch.from_numpy(ring8(0.01).draw(500_000, np.random.RandomState(6)))
    found = measure(points, ring8(0.01))
    assert SPEC.bound == 1.0
    assert 0.995 < found["overlap"] <= SPEC.bound
    assert found["spread"] == pytest.approx(1, abs=0.003)
    assert found["kl"] < 1e-4


@pytest.mark.parametrize("task", MIXTURES)
def test_the_entropies_that_the_descriptions_name_are_the_truths(task: str) -> None:
    mixture = MIXTURES[task]({"ring8": 0.01, "grid25": 0.05}[task])
    entropy = math.log(len(mixture.centres)) + math.log(2 * math.pi * math.e * mixture.sd**2)
    assert entropy == pytest.approx(LEAST_NLL[task], abs=5e-4)
    assert f"{LEAST_NLL[task]:.3f} nats" in SPECS[task].description


def test_the_floor_is_what_copies_of_the_mean_score() -> None:
    task = SPEC.load(DATA)
    found = scores(task.points["train"].mean(0).expand(NUM_SAMPLES, 2))
    assert {key: found[key] for key in ("overlap", "modes", "high_quality", "spread")} == {
        "overlap": pytest.approx(SPEC.floor, abs=1e-12), "modes": 0.0, "high_quality": 0.0, "spread": 0.0,
    }  # fmt: skip
    assert found["kl"] == pytest.approx(math.log(8))  # all go to the nearest mode
    assert flags(found) == ["collapsed"]


@pytest.mark.parametrize("task", MIXTURES)
def test_the_constant_model_is_flagged_and_scores_the_floor(task: str) -> None:
    ran = cell("constant", f"{task}[num_train=2000]", {"budget.epochs": 1})
    assert "collapsed" in ran["flags"]
    assert ran["metrics"]["test"]["overlap"] < 0.05


def test_copies_of_the_centres_have_all_but_spread() -> None:
    for task, make in MIXTURES.items():
        centres = make(0.01).centres
        copies = scores(np.tile(centres, (NUM_SAMPLES // len(centres) + 1, 1))[:NUM_SAMPLES], task)
        assert (copies["modes"], copies["high_quality"]) == (len(centres), 1.0)
        assert copies["overlap"] == pytest.approx(0.5, abs=1e-3)  # nothing in the outer half of any mode
        assert copies["spread"] == pytest.approx(0, abs=1e-4)
        assert copies["kl"] == pytest.approx(0, abs=1e-4)
        assert flags(copies, task) == ["collapsed"]


def test_cheats_score_less_than_true_samples() -> None:
    centres = ring8(0.01).centres
    random = np.random.RandomState(7)
    one = scores(centres[3] + 0.01 * random.standard_normal((NUM_SAMPLES, 2)))
    assert one["modes"] == 1
    assert one["overlap"] == pytest.approx(1 / 8 + OUTSIDE * 7 / 8, abs=0.01)
    assert one["kl"] == pytest.approx(math.log(8))
    assert one["spread"] == pytest.approx(1, abs=0.05)
    assert flags(one) == ["collapsed"]
    noise = scores(random.standard_normal((NUM_SAMPLES, 2)))
    assert noise["overlap"] < 0.05
    assert flags(noise) == []  # bad, but not alike


@pytest.mark.parametrize(("filled", "expected"), [(1, True), (2, True), (3, False), (8, False)])
def test_a_quarter_of_the_modes_is_few(filled: int, expected: bool) -> None:
    mixture = ring8(0.01)
    chosen = mixture.centres[np.arange(NUM_SAMPLES) % filled]
    found = scores(chosen + 0.01 * np.random.RandomState(8).standard_normal((NUM_SAMPLES, 2)))
    assert found["kl"] == pytest.approx(math.log(8 / filled), abs=1e-4)
    assert (flags(found) == ["collapsed"]) == expected


def test_divergence_is_zero_for_even_shares_and_has_its_closed_form() -> None:
    assert divergence(torch.arange(80) % 8, 8) == 0.0
    assert divergence(torch.tensor([0, 0, 0, 1]), 2) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert divergence(torch.zeros(9, dtype=torch.int64), 25) == pytest.approx(math.log(25))


def test_spread_is_relative_to_the_sd_and_blind_to_where_a_mode_lies() -> None:
    mixture, random = ring8(0.01), np.random.RandomState(9)
    centres = mixture.centres[np.arange(NUM_SAMPLES) % 8]
    moved = centres + 0.004 * random.standard_normal((NUM_SAMPLES, 2)) + 0.01 * np.array([1, -1])
    assert scores(moved)["spread"] == pytest.approx(0.4 / 0.9744, rel=0.03)  # sd of a Gaussian cut off at 3: .9744
    assert scores(np.concatenate([mixture.centres, np.full((NUM_SAMPLES - 8, 2), 9.0)]))["spread"] == 0.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 3e38])
def test_samples_that_are_not_numbers_are_far_from_every_mode(value: float) -> None:
    found = scores(torch.full((NUM_SAMPLES, 2), value))
    assert (found["modes"], found["high_quality"]) == (0, 0)
    assert all(math.isfinite(number) for number in found.values())
    assert flags(found) == ["collapsed"]


def test_likelihoods_are_those_of_models_that_know_them_on_test_only() -> None:
    task = SPEC.load(DATA)
    samples = torch.from_numpy(oracle("ring8"))
    known = Sampler(samples, lambda points: torch.full((len(points),), 1.5))
    assert task.judge(known, "test")["nll"] == pytest.approx(-1.5)
    assert "nll" not in task.judge(known, "val")  # it may cost more than all samples
    assert "nll" not in task.judge(Sampler(samples), "test")
    assert "nll" not in task.judge(Sampler(samples, lambda points: torch.full((len(points),), -math.inf)), "test")


@pytest.mark.parametrize(("task", "size"), [("ring8", 10_000), ("grid25", 20_000)])
def test_train_points_are_true_samples_and_splits_differ(task: str, size: int) -> None:
    loaded = SPECS[task].load(DATA)
    assert {split: tuple(p.shape) for split, p in loaded.points.items()} == {
        "train": (size, 2), "val": (2500, 2), "test": (2500, 2),
    }  # fmt: skip
    assert measure(loaded.points["train"], loaded.mixture)["overlap"] > 0.96
    assert not torch.equal(loaded.points["val"], loaded.points["test"])


def test_data_depend_on_no_global_seed() -> None:
    tasks = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        tasks.append(SPEC.load(DATA))
    for split, points in tasks[0].points.items():
        assert torch.equal(points, tasks[1].points[split])


def test_the_points_of_the_ring_are_those_of_earlier_records() -> None:
    first = SPEC.load(DATA).points["test"][0].tolist()
    random = np.random.RandomState([40, 3])
    mode = random.randint(8, size=2500)[0]
    noise = random.standard_normal((2500, 2))[0]
    angle = 2 * np.pi * mode / 8
    assert first == pytest.approx(np.array([np.cos(angle), np.sin(angle)]) + 0.01 * noise, abs=1e-6)


def test_batches_hold_every_point_once() -> None:
    task = SPEC.load(DATA, num_train=1000)
    batches = list(task.batches("train", 128, torch.Generator().manual_seed(0)))
    assert [batch.size for batch in batches] == [128] * 7 + [104]
    assert all(batch.targets is None for batch in batches)
    points = torch.cat([batch.inputs for batch in batches])
    assert not torch.equal(points, task.points["train"])
    assert sorted(points.tolist()) == sorted(task.points["train"].tolist())


def test_judging_is_repeatable_and_splits_draw_different_noise() -> None:
    task = SPEC.load(DATA)
    drawn: list[Tensor] = []

    class Noise(Sampler):
        def sample(self, count: int, generator: torch.Generator) -> Tensor:
            drawn.append(torch.randn(count, 2, generator=generator))
            return drawn[-1]

    for split in ("test", "test", "val"):
        task.judge(Noise(torch.zeros(0)), split)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_picture_shows_samples_over_training_points() -> None:
    task = SPEC.load(DATA)
    inside = torch.zeros(NUM_SAMPLES, 2)
    (picture,) = task.pictures(Sampler(inside)).values()
    assert picture.shape == (480, 480, 3)
    assert picture.dtype == np.uint8
    red = (picture == (200, 30, 40)).all(axis=2)
    assert [tuple(place) for place in np.argwhere(red)] == [(240, 240), (240, 241), (241, 240), (241, 241)]
    assert 8 * 16 < (picture == 185).all(axis=2).sum() < 8 * 400  # eight spots
    nowhere = torch.full((NUM_SAMPLES, 2), math.nan)
    assert not (task.pictures(Sampler(nowhere))["samples"] == (200, 30, 40)).all(axis=2).any()


def test_wrong_uses_are_refused() -> None:
    task = SPEC.load(DATA)
    with pytest.raises(NotImplementedError, match="ring8 has no loss of its own"):
        task.loss(torch.zeros(1, 2), Batch(inputs=torch.zeros(1, 2)))
    for shape in ((NUM_SAMPLES, 3), (NUM_SAMPLES - 1, 2), (NUM_SAMPLES, 2, 1)):
        with pytest.raises(ValueError, match="sample returned the shape"):
            task.judge(Sampler(torch.zeros(shape)), "test")
    for sd in (0.0, 0.2, math.nan):
        with pytest.raises(UsageError, match="'sd'"):
            SPEC.load(DATA, sd=sd)
    with pytest.raises(UsageError, match="'sd'"):
        SPECS["grid25"].load(DATA, sd=0.34)


def test_a_generator_of_the_wrong_count_is_refused_by_the_core() -> None:
    task = SPEC.load(DATA)
    learner = constant(task.signature)
    learner.sample = lambda count, generator: torch.zeros(count - 1, 2)  # type: ignore[method-assign]
    with pytest.raises(WrongShape, match="sample returned 499 examples where 500 were asked for"):
        task.judge(Evaluator(learner, task.signature, Execution(Runtime())), "test")


def test_gan_rises_above_the_floor() -> None:
    task = SPEC.load(DATA, sd=0.1)
    model = next(iter(dlbench_gan.dlbench_models())).build(task.signature, width=64, depth=2)
    groups = {part: torch.optim.Adam(p, lr=2e-3, betas=(0.5, 0.999)) for part, p in model.parts().items()}

    class Plain:
        """`Optimizers` in its shortest form."""

        def minimize(self, loss: Any, part: str) -> Tensor:
            groups[part].zero_grad()
            value = loss()
            value.backward()
            groups[part].step()
            return value.detach()

    order = torch.Generator().manual_seed(0)
    for _ in range(4):
        for batch in task.batches("train", 128, order):
            model.train_step(batch, Plain())
    model.eval()
    with torch.no_grad():
        found = task.judge(Evaluator(model, task.signature, Execution(Runtime())), "test")
    assert found["overlap"] > 0.3  # 0.50 to 0.72 over six first weights
    assert found["modes"] >= 4
