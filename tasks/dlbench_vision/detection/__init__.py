"""Detection: where the objects of an image are, and of which class."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Boxes, Image, Metric, TaskSpec, UsageError
from dlbench.data import Data

from .suites import suites as suites

AP50 = Metric(name="ap50")
OTHERS = (Metric(name="ap75"), Metric(name="map"))
PRELOAD = ("torchmetrics.detection.mean_ap", "faster_coco_eval")
RECIPE = {"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 16}


def load_shapes(data: Data, *, num_train: int = 8000, num_val: int = 1000, num_test: int = 1000) -> Any:
    """Raises UsageError for a split without pictures."""
    from .shapes import load

    for name, count in {"num_train": num_train, "num_val": num_val, "num_test": num_test}.items():
        if count < 1:
            raise UsageError(f"shapes_detection needs at least one picture as {name}, not {count}")
    return load(data, num_train=num_train, num_val=num_val, num_test=num_test)


def load_bccd(data: Data, *, reduce: int = 4) -> Any:
    """`reduce`: how many pixels each way become one, a whole number that divides 640 and 480."""
    from .bccd import load
    from .files import BCCD

    return load(data, reduce=reduce, dataset=BCCD)


def specs() -> Iterable[TaskSpec]:
    from .files import BCCD

    yield TaskSpec(
        name="shapes_detection",
        input_kind=Image,
        output_kind=Boxes,
        load=load_shapes,
        unit="image",
        metric=AP50,
        metrics=OTHERS,
        monitor="map",
        floor=None,
        recipe={**RECIPE, "budget.epochs": 5},
        preload=PRELOAD,
        description="generated pictures of 64x64 with one to four coloured circles, rectangles and triangles on a dark "
        "ground, 8,000 / 1,000 / 1,000. AP50, AP75 and mAP as COCO's evaluation computes them, at most 100 findings a "
        "picture and class, by torchmetrics with faster-coco-eval; the best state is that of the highest mAP on "
        "validation",
    )
    yield TaskSpec(
        name="bccd",
        input_kind=Image,
        output_kind=Boxes,
        load=load_bccd,
        unit="image",
        metric=AP50,
        metrics=(*OTHERS, *(Metric(name=f"ap50_{name}") for name in ("rbc", "wbc", "platelets"))),
        monitor="map",
        floor=None,
        recipe={**RECIPE, "budget.epochs": 32, "evaluate_every": 4, "regularizers": "flip_boxes[vertical=true]"},
        data=BCCD,
        preload=(*PRELOAD, "PIL.Image"),
        description="red cells, white cells and platelets in 364 pictures of blood, reduced from 640x480 to 160x120 "
        "(averages of 4x4 pixels); the official 205 / 87 / 72 pictures with 2,805 / 1,138 / 945 boxes, two of which "
        "(BloodImage_00338, BloodImage_00343) have no area and are left out. AP50, AP75 and mAP as for "
        "shapes_detection, and AP50 of each class",
    )
