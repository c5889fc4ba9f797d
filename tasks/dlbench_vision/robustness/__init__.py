"""What is left of a model's accuracy when its images are moved, rotated, scaled or noisy: `shifted`, and the suite
`robustness`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dlbench import Block, Classes, DataSet, Image, Metric, Suite, TaskSpec, unknown
from dlbench.data import Data


def _digits(data: Data) -> Any:
    from ..digits import load

    return load(data)


def _mnist(data: Data) -> Any:
    from ..mnist import load

    return load(data, folder="vision/mnist")


def _fashion_mnist(data: Data) -> Any:
    from ..mnist import load

    return load(data, folder="vision/fashion-mnist")


BASES: Mapping[str, Callable[[Data], Any]] = {"mnist": _mnist, "fashion_mnist": _fashion_mnist, "digits": _digits}
"""The tasks whose images can be disturbed."""

COLUMNS: Mapping[str, Mapping[str, Any]] = {
    **{f"shift_{pixels}": {"pixels": pixels} for pixels in (1, 2, 3, 4)},
    **{f"rotated_{degrees}": {"degrees": float(degrees)} for degrees in (20, 40)},
    **{f"scaled_{percent}": {"scale": percent / 100} for percent in (20, 40)},
    **{f"noise_{percent}": {"noise": percent / 100} for percent in (20, 40)},
}
"""The disturbances under which every model is judged, whatever the options: metric -> how."""


def load_shifted(
    data: Data, *, task: str = "mnist", images: int = 5000, pixels: int = 2, degrees: float = 0.0, scale: float = 0.0,
    noise: float = 0.0, train: bool = False,
) -> Any:  # fmt: skip
    """`images`: how many to train on, the first of the training split, where it has so many. `pixels`, `degrees`,
    `scale`, `noise`: how the images are disturbed that are judged. `train`: those to train on, too."""
    from .disturb import Disturbance
    from .shifted import load

    _known(task)
    asked = Disturbance(pixels=pixels, degrees=degrees, scale=scale, noise=noise)
    return load(data, task=task, images=images, train=train, asked=asked)


def shifted_files(*, task: str = "mnist", **_: Any) -> DataSet | None:
    """The files behind `shifted[task=...]`; raises UsageError for an unknown task."""
    from ..files import FASHION_MNIST, MNIST

    return {"mnist": MNIST, "fashion_mnist": FASHION_MNIST}.get(_known(task))


def shifted_floor(*, task: str = "mnist", images: int = 5000, **_: Any) -> float | None:
    """The share of the most frequent class of the training images, however the others are disturbed."""
    if images != 5000:
        return None
    return {"mnist": 0.1135, "fashion_mnist": 0.1, "digits": 37 / 360}[_known(task)]


def _known(task: str) -> str:
    if task not in BASES:
        raise unknown("task to disturb", task, BASES)
    return task


def specs() -> Iterable[TaskSpec]:
    yield TaskSpec(
        name="shifted",
        input_kind=Image,
        output_kind=Classes,
        load=load_shifted,
        unit="image",
        metric=Metric(name="accuracy"),
        metrics=(
            Metric(name="cross_entropy", unit="nats", higher_is_better=False),
            Metric(name="clean"),
            *(Metric(name=name) for name in COLUMNS),
        ),
        monitor="clean",  # a state that is chosen on moved images would be trained for them
        floor=shifted_floor,
        recipe={"optimizer": "adam", "lr": 2e-3, "schedule": "cosine", "batch_size": 64, "budget.epochs": 10},
        data=shifted_files,
        description="trained on the first 5,000 images of mnist (or fashion_mnist, digits) as they are, judged on the "
        "test images moved by `pixels` in one of eight directions, rotated by up to `degrees`, scaled by up to `scale` "
        "(0.2: from 1 / 1.2 to 1.2), with `noise` (deviation, of the range); clean, shift_1 to shift_4, rotated_20, "
        "scaled_20, noise_20 and so on are metrics of every row; train=true disturbs the training images too",
    )


def suites() -> Iterable[Suite]:
    yield Suite(
        name="robustness",
        blocks=(Block(models=("constant", "mlp", "lenet5", "global_cnn", "vit_tiny"), tasks=("shifted",)),),
        seeds=3,
        description="What shifts, rotations, scales and noise leave of the accuracy of a fully connected network, "
        "convolutional ones with and without global pooling, and ViT, trained on 5,000 centred digits",
    )
