"""Pictures of the user's own: `images:FOLDER`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Classes, Image, Metric, TaskSpec
from dlbench.data import Data


def load_images(data: Data, *, member: str, size: int | None = None, grey: bool = False) -> Any:
    """`size`: the side to which pictures are resized and cut, where they have several sizes; `grey`: one channel."""
    from dlbench.data import ImageFolder

    return ImageFolder(data, member, size=size, grey=grey)


def specs() -> Iterable[TaskSpec]:
    yield TaskSpec(
        name="images:*",
        input_kind=Image,
        output_kind=Classes,
        load=load_images,
        unit="image",
        metric=Metric(name="accuracy"),
        metrics=(Metric(name="cross_entropy", unit="nats", higher_is_better=False),),
        floor=None,
        recipe={"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 32, "budget.epochs": 20},
        preload=("PIL.Image", "sklearn.model_selection"),
        description="pictures in a folder for each class, below the data root or at an absolute path, or the same in "
        "train, val and test; a split that isn't there is a tenth of train; size=32 resizes and cuts to 32x32",
    )
