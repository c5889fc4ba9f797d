"""CIFAR-10 whole, and a part of it for CPUs. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlbench import Classes, Image, Metric, Reference, TaskSpec
from dlbench.data import Data

from .cifar10_files import CIFAR10_SOURCES, cifar10_files
from .suites import MILESTONES

METRICS = (Metric(name="cross_entropy", unit="nats", higher_is_better=False),)
SOURCES = (
    "source=auto takes what is at hand: archive (cifar-10-python.tar.gz), folder (cifar-10-batches-py, as torchvision "
    "leaves it) or sheets (lossless pictures), whose arrays are equal"
)


def load_cifar10(data: Data, *, source: str = "auto") -> Any:
    from .cifar10 import load

    return load(data, dataset=cifar10_files(source=source))


def load_cifar10_small(data: Data, *, source: str = "auto") -> Any:
    from .cifar10 import load_small

    return load_small(data, dataset=cifar10_files(source=source))


def floor(*, source: str = "auto") -> float:
    """Every class has 1,000 of the 10,000 test images, whatever they are read from."""
    return 0.1


def specs() -> Iterator[TaskSpec]:
    """`cifar10`, `cifar10_small`."""
    yield _whole()
    yield _small()


def _whole() -> TaskSpec:
    return TaskSpec(
        name="cifar10",
        input_kind=Image,
        output_kind=Classes,
        load=load_cifar10,
        unit="image",
        metric=Metric(name="accuracy"),
        metrics=METRICS,
        floor=floor,
        reference=Reference(
            value=0.9125,
            source="ResNet-20 (8.75 % error), 64,000 steps: He, Zhang, Ren, Sun 2016, "
            "Deep Residual Learning for Image Recognition",
        ),
        recipe={
            "optimizer": "sgd[momentum=0.9]",
            "lr": 0.1,
            "weight_decay": 1e-4,
            "schedule": "step[milestones=100-150,gamma=0.1]",
            "batch_size": 128,
            "budget.epochs": 200,
            "regularizers": "crop_flip[pad=4]",
            "select": "last",
        },
        milestones=MILESTONES,
        version="2",
        data=cifar10_files,
        datasets=tuple(CIFAR10_SOURCES.values()),
        preload=("PIL.Image",),
        description=f"32x32 colour images; the last 5,000 of the 50,000 training images are validation; {SOURCES}",
    )


def _small() -> TaskSpec:
    return TaskSpec(
        name="cifar10_small",
        input_kind=Image,
        output_kind=Classes,
        load=load_cifar10_small,
        unit="image",
        metric=Metric(name="accuracy"),
        metrics=METRICS,
        floor=floor,
        recipe={
            "optimizer": "adam",
            "lr": 2e-3,
            "schedule": "cosine",
            "batch_size": 64,
            "budget.epochs": 30,
            "regularizers": "crop_flip[pad=4]",
        },
        data=cifar10_files,
        datasets=tuple(CIFAR10_SOURCES.values()),
        preload=("PIL.Image", "sklearn.model_selection"),
        description="A fixed part of cifar10 for CPUs: 10,000 training and 2,000 validation images, drawn by class "
        f"from those of cifar10, and its 10,000 test images; {SOURCES}",
    )
