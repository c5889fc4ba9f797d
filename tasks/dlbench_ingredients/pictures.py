"""Few images to train on, and transformed test images to be judged on: `digits_small` and `mnist_small`. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Classes, DataSet, Image, Metric, TaskSpec
from dlbench.data import Data

TRANSFORMED = (
    "rotated", "translated", "rescaled", "stretched", "sheared", "flipped", "cropped", "zoomed", "noisy", "blurred",
    "cut", "brightness", "patched",
)  # fmt: skip
"""The transformed test sets: `pictures_transforms` says what they are."""
METRICS = (
    Metric(name="cross_entropy", unit="nats", higher_is_better=False),
    *(Metric(name=f"accuracy_{name}") for name in TRANSFORMED),
)
JUDGED = (
    "judged on the whole test split, and on up to 2,000 of its images rotated, translated, rescaled, stretched, "
    "sheared, flipped, cropped, zoomed, noisy, blurred, cut, of other brightness and contrast, and patched: a metric "
    "each; label_noise=0.4 gives so many of the training images a wrong label, always the same"
)


def load_digits_small(data: Data, *, per_class: int = 10, label_noise: float = 0.0) -> Any:
    """`per_class`: training images of each class. `label_noise`: the share of them with a wrong label."""
    from dlbench_vision.digits import load

    from .pictures_task import SmallPictures

    return SmallPictures(load(data), name="digits_small", images=10 * per_class, label_noise=label_noise)


def load_mnist_small(data: Data, *, images: int = 5000, label_noise: float = 0.0) -> Any:
    """`images`: how many to train on, of all classes alike. `label_noise`: the share of them with a wrong label."""
    from dlbench_vision.mnist import load

    from .pictures_task import SmallPictures

    base = load(data, folder="vision/mnist")
    return SmallPictures(base, name="mnist_small", images=images, label_noise=label_noise)


def _mnist(**_: Any) -> DataSet:
    from dlbench_vision.files import MNIST

    return MNIST


def _floor_of(share: float) -> Any:
    def floor(*, label_noise: float = 0.0, **_: Any) -> float | None:
        """Of the class 0: no class has more training images, unless labels are wrong."""
        return None if label_noise else share

    return floor


def specs() -> Iterable[TaskSpec]:
    yield TaskSpec(
        name="digits_small",
        input_kind=Image,
        output_kind=Classes,
        load=load_digits_small,
        unit="image",
        metric=Metric(name="accuracy"),
        metrics=METRICS,
        floor=_floor_of(36 / 360),
        recipe={"optimizer": "adam", "lr": 3e-3, "schedule": "cosine", "batch_size": 32, "budget.steps": 400},
        preload=("sklearn.datasets", "sklearn.model_selection"),
        description=f"`per_class` training images of each class of the task digits, 10 unless asked; {JUDGED}",
    )
    yield TaskSpec(
        name="mnist_small",
        input_kind=Image,
        output_kind=Classes,
        load=load_mnist_small,
        unit="image",
        metric=Metric(name="accuracy"),
        metrics=METRICS,
        floor=_floor_of(0.098),  # the zeros: 980 of the 10,000 test images
        recipe={"optimizer": "adam", "lr": 2e-3, "schedule": "cosine", "batch_size": 64, "budget.steps": 800},
        data=_mnist,
        description=f"`images` training images of MNIST, 5,000 unless asked, as many of each class; {JUDGED}",
    )
