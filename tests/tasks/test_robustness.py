"""`shifted`: moves of whole pixels, rotations, scales, noise; what is judged under which; that training sees none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import dlbench_vision
from dlbench import Batch, UsageError
from dlbench.data import Data
from dlbench_baseline.constant import constant
from dlbench_vision.robustness import COLUMNS, load_shifted, suites
from dlbench_vision.robustness.disturb import DIRECTIONS, Canvas, Disturbance, canvas_of, disturb, move, turn

(SPEC,) = (spec for spec in dlbench_vision.dlbench_tasks() if spec.name == "shifted")
NOWHERE = Data(root=Path("none"), cache=Path("none"))
DARK = Canvas((0,), 255)


class Answers:
    """What a task sees of a learner."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        return self.answer(batch.inputs)


def dot(count: int = 1, side: int = 9, row: int = 4, column: int = 4) -> Tensor:
    images = torch.zeros(count, 1, side, side, dtype=torch.uint8)
    images[:, 0, row, column] = 200
    return images


def place(image: Tensor) -> tuple[int, int]:
    return tuple(divmod(int(image.flatten().argmax()), image.shape[-1]))  # type: ignore[return-value]


# --- disturbances -----------------------------------------------------------------------------------------


def test_a_move_is_exact_and_what_comes_in_is_background() -> None:
    images = torch.randint(1, 255, (5, 2, 6, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    down, right = torch.tensor([0, 2, -2, 0, 5]), torch.tensor([0, -3, 0, 4, 6])
    moved = move(images, down, right, Canvas((7, 9), 255))
    assert torch.equal(moved[0], images[0])
    assert torch.equal(moved[1][:, 2:, :4], images[1][:, :4, 3:])
    assert torch.equal(moved[2][:, :4], images[2][:, 2:])
    assert torch.equal(moved[3][:, :, 4:], images[3][:, :, :3])
    assert torch.equal(moved[4][:, 5, 6], images[4][:, 0, 0])
    for channel, background in enumerate((7, 9)):
        assert set(moved[1][channel, :2].flatten().tolist()) == {background}
        assert set(moved[1][channel, :, 4:].flatten().tolist()) == {background}


def test_shifts_go_in_all_eight_directions_alike_and_are_the_same_each_time() -> None:
    images = dot(count=4000)
    moved = disturb(images, Disturbance(pixels=3), DARK, seed=1)
    counts = dict.fromkeys(((4 + 3 * down, 4 + 3 * right) for down, right in DIRECTIONS), 0)
    for image in moved:
        counts[place(image)] += 1
    assert len(counts) == 8
    assert min(counts.values()) > 400  # of 500 expected
    assert torch.equal(moved, disturb(images, Disturbance(pixels=3), DARK, seed=1))
    assert not torch.equal(moved, disturb(images, Disturbance(pixels=3), DARK, seed=2))


def test_a_quarter_turn_and_a_doubling_are_what_they_say() -> None:
    image = torch.randint(255, (1, 1, 9, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    quarter, one = torch.tensor([math.pi / 2]), torch.ones(1)
    turned = turn(image, quarter, one, DARK)[0, 0]
    assert any(torch.equal(turned, torch.rot90(image[0, 0], k)) for k in (1, -1))
    wide = torch.zeros(1, 1, 5, 9, dtype=torch.uint8)
    wide[0, 0, 2, 6] = 200  # two to the right of the centre
    assert place(turn(wide, quarter, one, DARK)[0]) in {(0, 4), (4, 4)}  # two above or below it
    assert place(turn(dot(column=6), torch.zeros(1), torch.tensor([2.0]), DARK)[0]) == (4, 8)
    flat = torch.full((1, 1, 6, 6), 40, dtype=torch.uint8)
    assert torch.equal(turn(flat, torch.tensor([0.7]), one, Canvas((40,), 255)), flat)


def test_angles_scales_and_noise_fill_their_range() -> None:
    images = dot(count=500, side=41, row=20, column=30)
    turned = [place(image) for image in disturb(images, Disturbance(degrees=30.0), DARK, seed=0)]
    angles = [math.degrees(math.atan2(row - 20, column - 20)) for row, column in turned]
    assert 25 < max(angles) < 33
    assert -33 < min(angles) < -25
    columns = [place(image)[1] - 20 for image in disturb(images, Disturbance(scale=0.4), DARK, seed=0)]
    assert (min(columns), max(columns)) == (7, 14)  # 10 / 1.4 and 10 * 1.4
    grey = torch.full((40, 1, 20, 20), 8, dtype=torch.uint8)
    noisy = disturb(grey, Disturbance(noise=0.1), Canvas((8,), 16), seed=0)
    assert noisy.float().std() == pytest.approx(1.6, rel=0.05)
    assert noisy.max() <= 16


def test_the_canvas_is_what_lies_at_the_border() -> None:
    images = torch.full((5, 2, 6, 6), 3, dtype=torch.uint8)
    images[:, 1] = 90
    images[:, :, 2:4, 2:4] = 250
    assert canvas_of(images) == Canvas((3, 90), 250)


# --- the task ---------------------------------------------------------------------------------------------


def test_training_sees_images_as_they_are_and_only_the_first() -> None:
    plain = {spec.name: spec for spec in dlbench_vision.dlbench_tasks()}["digits"].load(NOWHERE)
    task = load_shifted(NOWHERE, task="digits", images=300, pixels=2)
    assert torch.equal(task.examples("train")[0], plain.examples("train")[0][:300])
    assert len(task.examples("val")[0]) == 360
    for split in ("val", "test"):
        assert torch.equal(task.examples(split)[1], plain.examples(split)[1])
        assert not torch.equal(task.examples(split)[0], plain.examples(split)[0])
    both = load_shifted(NOWHERE, task="digits", images=300, pixels=0, degrees=40.0, train=True)
    assert not torch.equal(both.examples("train")[0], task.examples("train")[0])
    assert torch.equal(both.examples("train")[1], task.examples("train")[1])


def test_each_column_is_judged_on_images_disturbed_as_it_says() -> None:
    """A rule that knows how bright an image is: digits that are moved out of sight become darker."""
    task = load_shifted(NOWHERE, task="digits", pixels=3)
    found = task.judge(Answers(lambda images: images.mean((1, 2, 3))[:, None] * torch.arange(10.0)), "test")
    assert set(found) == {"accuracy", "cross_entropy", "clean", *COLUMNS}
    assert found["shift_3"] == found["accuracy"]
    names = {metric.name for metric in (SPEC.metric, *SPEC.metrics)}
    assert names == set(found)
    assert SPEC.monitored.name == "clean"
    assert set(task.judge(Answers(lambda images: torch.zeros(len(images), 10)), "val")) == {
        "accuracy", "cross_entropy", "clean",
    }  # fmt: skip

    seen: list[Tensor] = []

    def watch(images: Tensor) -> Tensor:
        seen.append(images.mean((1, 2, 3)))
        return torch.zeros(len(images), 10)

    task.judge(Answers(watch), "test")
    asked, clean, *columns = (part.mean().item() for part in torch.cat(seen).split(360))
    assert len(columns) == len(COLUMNS) - 1  # shift_3 is what was asked
    one, two, four = columns[:3]
    assert clean > one > two > asked > four


@pytest.mark.parametrize("task", ["digits", "fashion_mnist", "mnist"])
def test_the_constant_model_scores_the_floor(task: str, request: pytest.FixtureRequest) -> None:
    data = NOWHERE if task == "digits" else Data(root=request.getfixturevalue("data_root"), cache=Path("none"))
    loaded = load_shifted(data, task=task)
    model = constant(loaded.signature)
    for batch in loaded.batches("train", 1000, None):
        model.train_step(batch, None)  # type: ignore[arg-type]
    found = super(type(loaded), loaded).judge(Answers(model.predict), "test")
    assert found["accuracy"] == pytest.approx(SPEC.floor_of({"task": task}), abs=1e-12)
    assert SPEC.floor_of({"task": task, "images": 100}) is None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'mnist'"):
        SPEC.files({"task": "mnits"})
    with pytest.raises(UsageError, match="moved by 0 to 7 pixels, not 8"):
        load_shifted(NOWHERE, task="digits", pixels=8)
    for wrong in ({"degrees": 181.0}, {"scale": -0.1}, {"noise": -1.0}):
        with pytest.raises(UsageError, match="degrees are 0 to 180"):
            load_shifted(NOWHERE, task="digits", **wrong)
    with pytest.raises(UsageError, match="at least 1 image"):
        load_shifted(NOWHERE, task="digits", images=0)


def test_the_files_are_those_of_the_task_that_is_shifted() -> None:
    names = {task: files and files.name for task in ("mnist", "fashion_mnist", "digits")
             for files in [SPEC.files({"task": task})]}  # fmt: skip
    assert names == {"mnist": "mnist", "fashion_mnist": "fashion_mnist", "digits": None}


def test_the_suite_has_a_network_of_each_sort() -> None:
    (suite,) = suites()
    assert suite.seeds == 3
    assert {model for block in suite.blocks for model in block.models} >= {"mlp", "lenet5", "global_cnn", "vit_tiny"}
