"""`digits_small`, `mnist_small`: balanced subsets, wrong labels that are fixed, transforms that are what they say."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dlbench_ingredients
from dlbench import Batch, UsageError
from dlbench.contract.choice import Choice
from dlbench.data import Data
from dlbench.data.root import default_cache, default_root
from dlbench.plan.catalog import discover
from dlbench_baseline.constant import constant
from dlbench_ingredients import pictures_transforms as how
from dlbench_ingredients.pictures import TRANSFORMED, load_digits_small
from dlbench_ingredients.pictures_suites import AUGMENTED, MIXED
from dlbench_ingredients.pictures_task import SmallPictures, balanced, with_noise
from dlbench_vision.robustness.disturb import Canvas

SPECS = {spec.name: spec for spec in dlbench_ingredients.dlbench_tasks()}
SUITES = {suite.name: suite for suite in dlbench_ingredients.dlbench_suites()}
NOWHERE = Data(root=Path("none"), cache=Path("none"))
CATALOG = ["dlbench_augment", "dlbench_ingredients"]


class Answers:
    """What a task sees of a learner; notes how many images each pass asks for."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, 0

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        self.asked += len(batch.inputs)
        return self.answer(batch.inputs)


def pictures(images: Tensor, labels: Tensor | None = None, background: int = 0, seed: int = 0) -> how.Pictures:
    labels = torch.arange(len(images)) % 10 if labels is None else labels
    channels = images.shape[1]
    canvas = Canvas((background,) * channels, 255)
    return how.Pictures(images, labels, canvas, (90,) * channels, torch.Generator().manual_seed(seed))


def dots(count: int, side: int = 41, row: int = 20, column: int = 30) -> Tensor:
    images = torch.zeros(count, 1, side, side, dtype=torch.uint8)
    images[:, 0, row, column] = 255
    return images


def places(images: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of the brightest pixel of each image."""
    found = images[:, 0].flatten(1).argmax(1)
    return found // images.shape[3], found % images.shape[3]


# --- splits and labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("per_class", "count"), [(10, 100), (50, 500)])
def test_training_takes_as_many_of_each_class_always_the_same(per_class: int, count: int) -> None:
    task, again = (load_digits_small(NOWHERE, per_class=per_class) for _ in range(2))
    images, labels = task.examples("train")
    assert torch.bincount(labels).tolist() == [per_class] * 10
    assert len(images) == count
    assert torch.equal(images, again.examples("train")[0])
    assert len(task.examples("test")[1]) == len(task.examples("val")[1]) == 360


def test_a_count_that_doesnt_divide_gives_the_first_classes_one_more() -> None:
    labels = np.arange(100) % 10
    chosen = balanced(labels, 23, 10, 0, "x")
    assert np.bincount(labels[chosen]).tolist() == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
    assert sorted(set(chosen)) == list(chosen)


@pytest.mark.parametrize("options", [{"per_class": 0}, {"per_class": 500}, {"per_class": -1}])
def test_too_many_or_too_few_images_are_one_sentence(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r"digits_small trains on 10 to \d+ images, all classes alike"):
        load_digits_small(NOWHERE, **options)
    with pytest.raises(UsageError, match=r"needs a label_noise from 0 to 1, not 1\.5"):
        load_digits_small(NOWHERE, label_noise=1.5)


def test_label_noise_is_in_the_training_split_alone_and_fixed() -> None:
    clean, noisy, again = (load_digits_small(NOWHERE, per_class=50, label_noise=share) for share in (0.0, 0.4, 0.4))
    wrong = clean.examples("train")[1] != noisy.examples("train")[1]
    assert int(wrong.sum()) == 200
    assert torch.equal(noisy.examples("train")[1], again.examples("train")[1])
    for split in ("val", "test"):
        assert torch.equal(clean.examples(split)[1], noisy.examples(split)[1])
    labels = np.zeros(9000, dtype=np.uint8)
    counts = np.bincount(with_noise(labels, 0.5, 10), minlength=10)
    assert counts[0] == 4500
    assert counts[1:].min() > 430  # of 500 expected, with a deviation of 21
    assert load_digits_small(NOWHERE, label_noise=1.0).examples("train")[1].unique().numel() == 10


# --- judging ----------------------------------------------------------------------------------------------


def test_test_has_all_declared_metrics_and_validation_only_the_plain_ones() -> None:
    task = load_digits_small(NOWHERE)
    learner = Answers(lambda inputs: torch.zeros(len(inputs), 10))
    assert set(task.judge(learner, "val")) == {"accuracy", "cross_entropy"}
    assert learner.asked == 360
    found = task.judge(learner, "test")
    declared = {metric.name for metric in (SPECS["digits_small"].metric, *SPECS["digits_small"].metrics)}
    assert set(found) == declared
    assert len(TRANSFORMED) == len(how.TRANSFORMS) == 13
    assert found == task.judge(learner, "test")
    assert "transformed" not in task._splits


def test_a_model_that_sees_only_the_middle_loses_on_moved_images_alone() -> None:
    """One that knows the clean test images by heart."""
    task = load_digits_small(NOWHERE)
    images, labels = task.examples("test")
    known = ((images.float() - task._mean) * task._scale).flatten(1)

    def nearest(inputs: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(labels[torch.cdist(inputs.flatten(1), known).argmin(1)], 10).float()

    found = task.judge(Answers(nearest), "test")
    assert found["accuracy"] == 1
    for name in ("translated", "flipped", "patched", "rotated", "cut"):
        assert found[f"accuracy_{name}"] < 1, name


def test_the_floor_is_the_constant_models() -> None:
    task = load_digits_small(NOWHERE)
    learner = constant(task.signature)
    for batch in task.batches("train", 100, None):
        learner.train_step(batch, None)
    assert task.judge(Answers(learner.predict), "test")["accuracy"] == SPECS["digits_small"].floor_of({})
    assert SPECS["digits_small"].floor_of({"per_class": 20}) == 0.1
    assert SPECS["mnist_small"].floor_of({"label_noise": 0.4}) is None


def test_mnist_has_the_published_test_set() -> None:
    data = Data(root=default_root(), cache=default_cache())
    if not (data.root / "vision/mnist").is_dir():
        pytest.skip("MNIST isn't in the data root")
    task: SmallPictures = SPECS["mnist_small"].open(data, {"images": 500})
    assert {split: len(task.examples(split)[1]) for split in ("train", "val", "test")} == {
        "train": 500, "val": 2000, "test": 10_000,
    }  # fmt: skip
    assert int((task.examples("test")[1] == 0).sum()) == 980
    images, labels = task.transformed("rotated", "test")
    assert (len(images), len(labels), images.dtype) == (2000, 2000, torch.uint8)


# --- transforms -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRANSFORMED)
def test_transforms_keep_shape_and_type_are_repeatable_and_differ_between_images(name: str) -> None:
    one = torch.randint(256, (1, 2, 12, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = one.repeat(40, 1, 1, 1)
    given = images.clone()
    if name == "patched":  # identical images have nothing foreign to give
        images = images + (torch.arange(40, dtype=torch.uint8) % 10).view(-1, 1, 1, 1)
        given = images.clone()
    first, again = (how.TRANSFORMS[name](pictures(images)) for _ in range(2))
    assert torch.equal(images, given)
    assert (first.shape, first.dtype) == (images.shape, torch.uint8)
    assert torch.equal(first, again)
    assert not torch.equal(first, images)
    distinct = len({image.numpy().tobytes() for image in first})
    assert distinct == 1 if name == "blurred" else distinct > 1


def test_places_move_as_far_as_the_strengths_say() -> None:
    row, column = places(how.rotated(pictures(dots(600))))
    angles = torch.atan2((row - 20).float(), (column - 20).float()).rad2deg()
    assert float(angles.max()) == pytest.approx(how.DEGREES, abs=4)
    assert float(angles.min()) == pytest.approx(-how.DEGREES, abs=4)
    row, column = places(how.translated(pictures(dots(600, column=20))))
    for found in (row, column):
        assert (int(found.min()) - 20, int(found.max()) - 20) == (-7, 7)  # a sixth of 41
    _, column = places(how.rescaled(pictures(dots(600))))
    assert (int(column.min()) - 20, int(column.max()) - 20) == (6, 18)
    row, column = places(how.stretched(pictures(dots(600, row=30))))
    assert (int(column.min()) - 20, int(column.max()) - 20) == (7, 15)
    assert bool((((row - 20) * (column - 20) - 100).abs() <= 12).all())  # the area stays, rounded to pixels
    row, column = places(how.sheared(pictures(dots(600, row=30, column=20))))
    assert set(row.tolist()) == {30}
    assert int((column - 20).abs().max()) == round(10 * math.tan(math.radians(how.SLANT)))
    row, column = places(how.cropped(pictures(dots(600, column=20))))
    assert (int(row.min()) - 20, int(row.max()) - 20, int(column.max()) - 20) == (-4, 4, 4)


def test_half_are_mirrored() -> None:
    _, column = places(how.flipped(pictures(dots(400))))
    counts = torch.bincount(column, minlength=41)
    assert set(counts.nonzero().flatten().tolist()) == {10, 30}
    assert 150 < int(counts[10]) < 250


def test_a_zoom_shows_a_part_of_the_image() -> None:
    plan = torch.arange(41, dtype=torch.uint8).view(1, 1, 1, -1).repeat(300, 1, 41, 1)
    shown = how.zoomed(pictures(plan)).flatten(1).float()
    width = shown.max(1).values - shown.min(1).values
    assert 41 * math.sqrt(how.AREA / how.RATIO) - 3 < float(width.min()) < 41 * math.sqrt(how.AREA)
    assert float(width.max()) > 38


def test_squares_are_blanked_or_come_from_another_class() -> None:
    white = torch.full((300, 1, 20, 20), 255, dtype=torch.uint8)
    areas = (how.cut(pictures(white)) == 90).flatten(1).sum(1)
    assert int(areas.max()) == 100
    assert int(areas.min()) >= 25
    labels = torch.arange(300) % 10
    numbered = labels.to(torch.uint8).view(-1, 1, 1, 1).expand(300, 1, 20, 20).contiguous()
    foreign = how.patched(pictures(numbered, labels)) != numbered
    assert set(foreign.flatten(1).sum(1).tolist()) == {64}  # all of 8x8: never its own class


def test_noise_blur_and_brightness_are_what_they_say() -> None:
    grey = torch.full((200, 1, 20, 20), 128, dtype=torch.uint8)
    noise = how.noisy(pictures(grey)).float()
    assert float((noise == 0).float().mean()) == pytest.approx(0.132, abs=0.01)  # a normal below -128 / 115
    assert float((noise == 255).float().mean()) == pytest.approx(0.134, abs=0.01)
    dot = how.blurred(pictures(dots(1, side=28, row=14, column=14)))[0, 0].float()
    assert float(dot.max()) == pytest.approx(255 / (2 * math.pi * 4), abs=1)
    ramp = torch.arange(100, 140, dtype=torch.uint8).view(1, 1, 1, -1).repeat(500, 1, 40, 1)
    changed = how.brightness(pictures(ramp)).float()
    inside = (changed.amin(dim=(1, 2, 3)) > 0) & (changed.amax(dim=(1, 2, 3)) < 255)
    slope = (changed[inside, 0, 0, -1] - changed[inside, 0, 0, 0]) / 39
    assert (float(slope.min()), float(slope.max())) == pytest.approx((0.2, 1.8), abs=0.05)
    assert 0.2 < float(inside.float().mean()) < 0.95


def test_the_background_comes_in_from_outside() -> None:
    flat = torch.full((50, 1, 9, 9), 40, dtype=torch.uint8)
    for name in ("rotated", "translated", "rescaled", "stretched", "sheared", "cropped", "zoomed"):
        assert torch.equal(how.TRANSFORMS[name](pictures(flat, background=40)), flat), name


# --- suites -----------------------------------------------------------------------------------------------


def test_suites_name_known_regularizers_and_run_without_first() -> None:
    catalog = discover(CATALOG)
    for name, treatments in (("augmentation", AUGMENTED), ("mixing", MIXED)):
        (block,) = SUITES[name].blocks
        assert "regularizers" not in block.set
        assert dict(block.treatments) == {"plain": {}, **{n: {"regularizers": text} for n, text in treatments.items()}}
        for text in treatments.values():
            for part in text.split("],"):
                catalog.checked("regularizers", Choice.parse(part + "]" if "[" in part and part[-1] != "]" else part))
    assert (SUITES["augmentation"].seeds, SUITES["mixing"].seeds) == (3, 5)
