"""Something asked for at every pixel: `edge_detection`, `nuclei`, and the suite `segmentation`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Block, Image, Mask, Metric, PixelValue, Suite, TaskSpec, unknown
from dlbench.data import Data


def load_edge_detection(data: Data, *, direction: str = "horizontal") -> Any:
    """`direction`: in which grey values change, horizontal or vertical."""
    from .edges import load

    return load(data, direction=direction)


def load_nuclei(data: Data, *, crop: int = 128) -> Any:
    """`crop`: side of the squares to train on, 0 for whole images."""
    from .nuclei import load

    return load(data, crop=crop)


def edge_floor(*, direction: str = "horizontal") -> float:
    """The error of the mean of the training targets."""
    floors = {"horizontal": 0.9982027235530142, "vertical": 1.0004429031953481}
    if direction not in floors:
        raise unknown("direction of edges", direction, floors)
    return floors[direction]


def specs() -> Iterable[TaskSpec]:
    from .files import NUCLEI

    yield TaskSpec(
        name="edge_detection",
        input_kind=Image,
        output_kind=PixelValue,
        load=load_edge_detection,
        unit="image",
        metric=Metric(name="mse", unit="", higher_is_better=False),
        metrics=(Metric(name="cosine", unit=""),),
        floor=edge_floor,
        bound=0.0,  # the answer is a linear filter of the image
        recipe={"optimizer": "adam", "lr": 0.05, "schedule": "cosine", "batch_size": 16, "budget.epochs": 8},
        description="550 generated grey pictures of 32x32; asked is what Sobel's 3x3 filter gives at each pixel within "
        "the border, with variance 1; cosine is between the model's answer to a single bright pixel and the filter's",
    )
    yield TaskSpec(
        name="nuclei",
        input_kind=Image,
        output_kind=Mask,
        load=load_nuclei,
        unit="image",
        metric=Metric(name="dice"),
        metrics=(
            Metric(name="iou"),
            Metric(name="cross_entropy", unit="nats", higher_is_better=False),
        ),
        floor=0.0,  # most pixels are background, so nothing is found
        recipe={"optimizer": "adam", "lr": 3e-3, "schedule": "cosine", "batch_size": 8, "budget.epochs": 12},
        data=NUCLEI,
        preload=("PIL.Image",),
        description="334 grey fluorescence images of 256x256: which pixels belong to the nucleus of a cell; of every "
        "five in order, three are to train on (squares of side `crop`, at other places in each epoch), the fourth is "
        "validation, the fifth test; dice and iou are means over whole images",
    )


def suites() -> Iterable[Suite]:
    yield Suite(
        name="segmentation",
        blocks=(
            Block(models=("constant", "one_filter", "unet"), tasks=("edge_detection", "nuclei")),
            Block(models=("otsu",), tasks=("nuclei",)),
        ),
        seeds=3,
        description="A U-Net, a single filter, Otsu's threshold and a constant on generated edges, whose optimum is a "
        "known filter, and on nuclei of cells; ten minutes on one core",
    )
