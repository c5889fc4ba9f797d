"""dlbench_generation: true samples, floor, bound, what cheats get."""

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
from dlbench.data import Data
from dlbench.errors import UsageError
from dlbench_generation.points.ring import NUM_SAMPLES, OUTSIDE, draw_points, measure, mode_centres

pytestmark = pytest.mark.numbers

SPEC = next(iter(dlbench_generation.dlbench_tasks()))
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


class Sampler:
    """A learner as a task sees it, with fixed samples."""

    def __init__(self, samples: Tensor) -> None:
        self.samples = samples

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        assert generator.device.type == "cpu"
        return self.samples[:count]


def scores(samples: Any, **options: Any) -> dict[str, float]:
    return SPEC.load(DATA, **options).judge(Sampler(torch.as_tensor(samples, dtype=torch.float32)), "test")


@pytest.mark.parametrize("sd", [0.01, 0.1])
def test_true_samples_have_all_modes_and_the_known_quality(sd: float) -> None:
    found = scores(draw_points(NUM_SAMPLES, sd, np.random.RandomState(5)), sd=sd)
    quality = 1 - math.exp(-4.5)
    assert found["modes"] == 8
    assert abs(found["high_quality"] - quality) < 3 * math.sqrt(quality * (1 - quality) / NUM_SAMPLES)
    # 17 cells, each off by the mean absolute deviation of a binomial share
    shares = np.array([1 / 16] * 8 + [1 / 16 - OUTSIDE / 8] * 8 + [OUTSIDE])
    expected = 1 - 0.5 * math.sqrt(2 / math.pi) * np.sqrt(shares * (1 - shares) / NUM_SAMPLES).sum()
    assert found["overlap"] == pytest.approx(expected, abs=0.02)


def test_many_true_samples_come_near_the_bound() -> None:
    points = torch.from_numpy(draw_points(500_000, 0.01, np.random.RandomState(6)))
    assert SPEC.bound == 1.0
    assert 0.995 < measure(points, 0.01)["overlap"] <= SPEC.bound


def test_floor_is_what_copies_of_the_mean_score() -> None:
    task = SPEC.load(DATA)
    found = scores(task.points["train"].mean(0).expand(NUM_SAMPLES, 2))
    assert found == {"overlap": pytest.approx(SPEC.floor, abs=1e-12), "modes": 0.0, "high_quality": 0.0}


def test_cheats_score_less_than_true_samples() -> None:
    centres = mode_centres()
    copies = scores(np.tile(centres, (313, 1))[:NUM_SAMPLES])
    assert (copies["modes"], copies["high_quality"]) == (8, 1.0)
    assert copies["overlap"] == pytest.approx(0.5, abs=1e-3)  # nothing in the outer half of any mode
    random = np.random.RandomState(7)
    one = scores(centres[3] + 0.01 * random.standard_normal((NUM_SAMPLES, 2)))
    assert one["modes"] == 1
    assert one["overlap"] == pytest.approx(1 / 8 + OUTSIDE * 7 / 8, abs=0.01)
    spread = scores(random.uniform(-1.2, 1.2, (NUM_SAMPLES, 2)))
    assert spread["overlap"] < 0.05


def test_samples_that_are_not_numbers_are_far_from_every_mode() -> None:
    found = scores(torch.full((NUM_SAMPLES, 2), math.nan))
    assert (found["modes"], found["high_quality"]) == (0, 0)


def test_train_points_are_true_samples_and_splits_differ() -> None:
    task = SPEC.load(DATA)
    assert {split: tuple(p.shape) for split, p in task.points.items()} == {
        "train": (10_000, 2), "val": (2500, 2), "test": (2500, 2),
    }  # fmt: skip
    assert measure(task.points["train"], 0.01)["overlap"] > 0.97
    assert not torch.equal(task.points["val"], task.points["test"])


def test_data_depend_on_no_global_seed() -> None:
    tasks = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        tasks.append(SPEC.load(DATA))
    for split, points in tasks[0].points.items():
        assert torch.equal(points, tasks[1].points[split])


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

    class Noise:
        def sample(self, count: int, generator: torch.Generator) -> Tensor:
            drawn.append(torch.randn(count, 2, generator=generator))
            return drawn[-1]

    for split in ("test", "test", "val"):
        task.judge(Noise(), split)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_wrong_uses_are_refused() -> None:
    task = SPEC.load(DATA)
    with pytest.raises(NotImplementedError, match="has no loss of its own"):
        task.loss(torch.zeros(1, 2), Batch(inputs=torch.zeros(1, 2)))
    with pytest.raises(ValueError, match="shape"):
        task.judge(Sampler(torch.zeros(NUM_SAMPLES, 3)), "test")
    for sd in (0.0, 0.2):
        with pytest.raises(UsageError, match="'sd'"):
            SPEC.load(DATA, sd=sd)


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
        found = task.judge(model, "test")
    assert found["overlap"] > 0.3  # 0.50 to 0.72 over six first weights
    assert found["modes"] >= 4
