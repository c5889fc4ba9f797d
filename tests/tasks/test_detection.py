"""Detection: average precision on cases that can be worked out by hand, the generated shapes, blood cells."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dlbench_vision
from dlbench import Boxes, Image, UsageError
from dlbench.contract.choice import option_defaults
from dlbench.contract.recipe import resolve
from dlbench.data import Data
from dlbench_vision.detection import bccd, shapes
from dlbench_vision.detection.files import BCCD
from dlbench_vision.detection.precision import Precision, average_precision
from dlbench_vision.detection.task import Detection, pack

TASKS = {spec.name: spec for spec in dlbench_vision.dlbench_tasks()}
LEFT, RIGHT, AWAY = [0.1, 0.1, 0.3, 0.3], [0.6, 0.6, 0.9, 0.9], [0.4, 0.1, 0.5, 0.2]


def precision(found: list[list[list[float]]], targets: list[list[list[float]]], num_classes: int = 1) -> Precision:
    """Findings and objects of each image as lists of rows."""
    packed = torch.from_numpy(pack([np.array(rows).reshape(-1, 5) for rows in targets]))
    rows = [torch.tensor(rows, dtype=torch.float32).reshape(-1, 6) for rows in found]
    return average_precision(rows, packed, num_classes=num_classes)


def test_tasks_and_suite_say_what_they_are() -> None:
    for name, options in {
        "shapes_detection": {"num_train": 8000, "num_val": 1000, "num_test": 1000}, "bccd": {"reduce": 4}
    }.items():  # fmt: skip
        spec = TASKS[name]
        assert (spec.input_kind, spec.output_kind, spec.metric.name, spec.monitored.name) == (
            Image,
            Boxes,
            "ap50",
            "map",
        )
        assert option_defaults(spec.load) == options
        assert spec.floor is None, "the most frequent boxes are counted: tables take the row of constant"
        assert resolve([("task", spec.recipe)]).recipe.batch_size == 16
    (suite,) = (suite for suite in dlbench_vision.dlbench_suites() if suite.name == "detection")
    pairs = {(model, task) for block in suite.blocks for model in block.models for task in block.tasks}
    both = {(model, task) for model in ("constant", "centernet") for task in ("shapes_detection", "bccd")}
    assert pairs == both | {("detr", "shapes_detection")}


# --- average precision ------------------------------------------------------------------------------------


def test_a_curve_that_was_worked_out_by_hand() -> None:
    """Right at 0.9, wrong at 0.8, right at 0.7: precision is 1 up to half the objects, 2/3 beyond, at 101 recalls."""
    targets = [[[*LEFT, 0]], [[*RIGHT, 0]]]
    found = [[[*LEFT, 0, 0.9], [*AWAY, 0, 0.8]], [[*RIGHT, 0, 0.7]]]
    got = precision(found, targets)
    assert got.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-6)
    assert got.map == got.ap75 == pytest.approx(got.ap50, abs=1e-6)


def test_overlap_decides_which_thresholds_count_a_finding() -> None:
    """Two thirds of the box: three of the ten thresholds 0.5, 0.55 .. 0.95 lie below, and 0.75 above."""
    got = precision([[[0.0, 0.0, 0.4, 1.0, 0, 1.0]]], [[[0.0, 0.0, 0.6, 1.0, 0]]])
    assert (got.ap50, got.ap75) == (1.0, 0.0)
    assert got.map == pytest.approx(0.4, abs=1e-6)  # 0.5, 0.55, 0.6, 0.65


def test_classes_count_alike_however_many_objects_they_have() -> None:
    targets = [[[*LEFT, 0], [*RIGHT, 0], [*AWAY, 1]]]
    got = precision([[[*LEFT, 0, 0.9], [*RIGHT, 0, 0.9], [*AWAY, 0, 0.1]]], targets, num_classes=3)
    assert got.each == (1.0, 0.0, 0.0)  # the third has no objects and doesn't count
    assert got.ap50 == pytest.approx(0.5)


def test_a_duplicate_lowers_precision_and_never_raises_it() -> None:
    targets = [[[*LEFT, 0], [*RIGHT, 0]]]
    once = [[*LEFT, 0, 0.9], [*RIGHT, 0, 0.7]]
    assert precision([once], targets).ap50 == 1.0
    assert precision([[*once, [*LEFT, 0, 0.9]]], targets).ap50 == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-6)
    random = np.random.RandomState(0)
    for _ in range(5):
        rows = [[*box, 0, random.rand()] for box in (LEFT, RIGHT, AWAY)]
        assert precision([[*rows, rows[random.randint(3)]]], targets).map <= precision([rows], targets).map + 1e-9


def test_findings_beyond_the_image_count_as_far_as_they_overlap() -> None:
    whole = [[[0.0, 0.0, 1.0, 1.0, 0]]]
    assert precision([[[-0.2, 0.0, 1.2, 1.0, 0, 0.5]]], whole).map == pytest.approx(0.5)  # 1 / 1.4
    assert precision([[[-9.0, -9.0, 9.0, 9.0, 0, 0.5]]], whole).ap50 == 0.0
    assert precision([[[0.9, 0.9, 0.1, 0.1, 0, 0.5]]], whole).ap50 == 0.0  # of no area


def test_nothing_found_is_zero_and_a_score_of_zero_is_no_finding() -> None:
    targets = [[[*LEFT, 0]], []]
    assert precision([[], []], targets) == Precision(0.0, 0.0, 0.0, (0.0,))
    assert precision([[[*LEFT, 0, 0.5], [*AWAY, 7, 0.0]], [[*LEFT, 0, 0.0]]], targets).ap50 == 1.0
    assert precision([[[*LEFT, 0, 0.5]], [[*LEFT, 0, 0.6]]], targets).ap50 == pytest.approx(0.5)  # the second has none


def test_answers_that_can_not_be() -> None:
    assert math.isnan(precision([[[*LEFT, 0, math.nan]]], [[[*LEFT, 0]]]).ap50)
    for bad, message in {
        (1.0, 0.5): r"class that isn't in 0\.\.0",
        (0.5, 0.5): "class",
        (0.0, 1.5): "score of 1.5",
    }.items():
        with pytest.raises(ValueError, match=message):
            precision([[[*LEFT, *bad]]], [[[*LEFT, 0]]])


# --- the generated shapes ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made() -> Detection:
    return shapes.load(Data(root=Path(), cache=Path()), num_train=400, num_val=60, num_test=70)


class Oracle:
    """Answers with the targets, moved by `shift`."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    def detect(self, batch: Any) -> Tensor:
        moved = batch.targets + self.shift * torch.tensor([1.0, 0, 1, 0, 0])
        return torch.cat([moved, (batch.targets[..., 4:] >= 0).float()], dim=2)


def test_targets_as_findings_score_all(made: Detection) -> None:
    assert made.judge(Oracle(), "test") == {"ap50": 1.0, "ap75": 1.0, "map": 1.0}
    assert made.judge(Oracle(0.5), "test")["ap50"] < 0.1
    assert str(made.signature) == "image[3,64,64] -> boxes[3,4]"


def test_shapes_are_where_their_boxes_say(made: Detection) -> None:
    """Pictures with one shape: what is bright fills the box to its sides, and has the class's share of it."""
    images, boxes = (tensor.numpy() for tensor in made._splits["train"])
    alone = np.flatnonzero((boxes[:, :, 4] >= 0).sum(axis=1) == 1)
    assert len(alone) > 60
    for row in alone:
        *sides, label = boxes[row][boxes[row][:, 4] >= 0][0]
        left, top, right, bottom = (int(side * 64) for side in sides)
        bright = images[row].max(axis=0) >= 96
        around = bright.copy()
        around[top:bottom, left:right] = False
        assert not around.any()
        inside = bright[top:bottom, left:right]
        filled = np.concatenate([inside.any(axis=1)[1:-1], inside.any(axis=0)[1:-1]])
        assert filled.all(), "a triangle's tip may miss a pixel's centre, no more"
        expected = {0: math.pi / 4, 1: 1.0, 2: 0.5}[int(label)]
        assert inside.mean() == pytest.approx(expected, abs=0.0 if label == 1 else 0.07)


def test_shapes_are_fixed_and_hardly_cover_each_other(made: Detection) -> None:
    again = shapes.load(Data(root=Path(), cache=Path()), num_train=100, num_val=60, num_test=5)
    assert torch.equal(again._splits["val"][0], made._splits["val"][0])
    boxes = made._splits["train"][1]
    there = boxes[..., 4] >= 0
    counts = there.sum(dim=1)
    assert (int(counts.min()), int(counts.max())) == (1, 4)
    assert torch.bincount(boxes[there][:, 4].long()).min() > 0.25 * there.sum()
    start, end = boxes[..., :2], boxes[..., 2:4]
    common = (torch.minimum(end[:, :, None], end[:, None]) - torch.maximum(start[:, :, None], start[:, None])).clamp(
        min=0
    )
    area = (end - start).prod(dim=2)
    share = common.prod(dim=3) / torch.minimum(area[:, :, None], area[:, None]).clamp(min=1e-9)
    apart = ~torch.eye(4, dtype=torch.bool) & there[:, :, None] & there[:, None]
    assert share[apart].max() <= 0.25 + 1e-5


def test_a_model_must_bring_its_own_loss(made: Detection) -> None:
    with pytest.raises(TypeError, match="a model brings its own loss"):
        made.loss(None, next(iter(made.batches("train", 2, None))))
    with pytest.raises(UsageError, match="at least one picture as num_val, not 0"):
        TASKS["shapes_detection"].load(Data(root=Path(), cache=Path()), num_val=0)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[*LEFT, 3]], r"classes must lie in 0\.\.2"),
        ([[0.5, 0.1, 0.5, 0.3, 0]], "must have an area"),
        ([[0.5, 0.1, 1.1, 0.3, 0]], "lie within their images"),
    ],
)
def test_a_task_takes_only_boxes_that_can_be(boxes: list[list[float]], message: str) -> None:
    images = np.zeros((1, 3, 8, 8), np.uint8)
    with pytest.raises(ValueError, match=message):
        Detection(dict.fromkeys(("train", "val", "test"), (images, pack([np.array(boxes)]))), classes="abc")


# --- blood cells ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cells(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Detection:
    return TASKS["bccd"].load(Data(root=data_root, cache=tmp_path_factory.mktemp("cache")))


def test_blood_cells_are_all_there(cells: Detection) -> None:
    assert str(cells.signature) == "image[3,120,160] -> boxes[3,30]"
    there = {split: boxes[..., 4] for split, (_, boxes) in cells._splits.items()}
    assert {split: len(labels) for split, labels in there.items()} == {"train": 205, "val": 87, "test": 72}
    counts = {split: int((labels >= 0).sum()) for split, labels in there.items()}
    assert sum(counts.values()) == 4888 - 2
    labels = torch.cat([labels[labels >= 0] for labels in there.values()]).long()
    assert torch.bincount(labels).tolist() == [4155 - 2, 372, 361]
    assert all((labels >= 0).any(dim=1).all() for labels in there.values())


def test_blood_cells_say_what_was_left_out_and_score_each_class(cells: Detection) -> None:
    assert len(cells.samples(None)) == 2
    assert all("of RBC has no area in its picture and was left out" in note for note in cells.notes)
    assert {note.partition(":")[0] for note in cells.notes} == {
        "Annotations/BloodImage_00338.xml",
        "Annotations/BloodImage_00343.xml",
    }
    got = cells.judge(Oracle(), "test")
    assert set(got) == {"ap50", "ap75", "map", "ap50_rbc", "ap50_wbc", "ap50_platelets"}
    assert set(got.values()) == {1.0}


def test_an_archive_of_blood_cells_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / BCCD.files[0].path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"an error page")
    data = Data(root=tmp_path, cache=tmp_path / "cache")
    with pytest.raises(Exception, match=r"bccd\.tar\.xz is not a whole tar archive"):
        bccd.load(data, reduce=4, dataset=BCCD)
    with pytest.raises(UsageError, match="divides 640 and 480, not 3"):
        bccd.load(data, reduce=3, dataset=BCCD)
