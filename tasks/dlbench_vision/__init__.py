"""Images: sets of classes, objects, captions and masks, and the suites that compare models on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Classes, Image, Metric, Reference, Suite, TaskSpec
from dlbench.data import Data

from . import captioning, declare_cifar10, declare_drawn, detection, own, robustness, segmentation

ACCURACY = Metric(name="accuracy")
METRICS = (Metric(name="cross_entropy", unit="nats", higher_is_better=False),)


def load_digits(data: Data, *, shuffle_labels: bool = False) -> Any:
    from .digits import load

    return load(data, shuffle_labels=shuffle_labels)


def load_digits_fit(data: Data) -> Any:
    from .fitting import load

    return load(data)


def load_mnist(data: Data) -> Any:
    from .mnist import load

    return load(data, folder="vision/mnist")


def load_fashion_mnist(data: Data) -> Any:
    from .mnist import load

    return load(data, folder="vision/fashion-mnist")


def dlbench_tasks() -> Iterable[TaskSpec]:
    parts = (declare_cifar10, declare_drawn, robustness, segmentation, detection, captioning, own)
    return [_digits(), _digits_fit(), _mnist(), _fashion_mnist(), *(spec for part in parts for spec in part.specs())]


def _digits() -> TaskSpec:
    return TaskSpec(
        name="digits",
        input_kind=Image,
        output_kind=Classes,
        load=load_digits,
        unit="image",
        metric=ACCURACY,
        metrics=METRICS,
        floor=37 / 360,  # class 3, the most frequent in the training split, has 37 of the 360 test images
        recipe={"optimizer": "adam", "lr": 3e-3, "schedule": "cosine", "batch_size": 32, "budget.epochs": 50},
        preload=("sklearn.datasets", "sklearn.model_selection"),
        description="1,797 handwritten digits of 8x8 from scikit-learn, split 1,077 / 360 / 360 by class; "
        "shuffle_labels=true gives every image a random label",
    )


def _digits_fit() -> TaskSpec:
    return TaskSpec(
        name="digits_fit",
        input_kind=Image,
        output_kind=Classes,
        load=load_digits_fit,
        unit="image",
        metric=Metric(name="train_error", higher_is_better=False),
        metrics=(ACCURACY, *METRICS),
        floor=1 - 110 / 1077,  # class 3 has 110 of the 1,077 training images
        bound=0.0,
        recipe={"optimizer": "adam", "lr": 1e-3, "batch_size": 32, "budget.epochs": 12, "select": "last"},
        preload=("sklearn.datasets", "sklearn.model_selection"),
        description="The digits of `digits`, judged by the error on the training images themselves, and beside it by "
        "the accuracy on the test split",
    )


def _mnist() -> TaskSpec:
    from .files import MNIST

    return TaskSpec(
        name="mnist",
        input_kind=Image,
        output_kind=Classes,
        load=load_mnist,
        unit="image",
        metric=ACCURACY,
        metrics=METRICS,
        floor=0.1135,  # the ones: 1,135 of the 10,000 test images
        reference=Reference(
            value=0.9905,
            source="LeNet-5 without distortions, trained on all 60,000 images: LeCun, Bottou, Bengio, Haffner 1998, "
            "Gradient-based learning applied to document recognition",
        ),
        recipe={"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 64, "budget.epochs": 5},
        data=MNIST,
        description="28x28 handwritten digits; the last 5,000 of the 60,000 training images are validation",
    )


def _fashion_mnist() -> TaskSpec:
    from .files import FASHION_MNIST

    return TaskSpec(
        name="fashion_mnist",
        input_kind=Image,
        output_kind=Classes,
        load=load_fashion_mnist,
        unit="image",
        metric=ACCURACY,
        metrics=METRICS,
        floor=0.1,  # every class has 1,000 of the 10,000 test images
        reference=Reference(
            value=0.9234,
            source="2c2d with Adam, 100 epochs, final state, mean of 10 seeds, trained on all 60,000 images: DeepOBS "
            "baselines of Schneider, Balles, Hennig 2019, DeepOBS: A Deep Learning Optimizer Benchmark Suite",
        ),
        recipe={"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 64, "budget.epochs": 10},
        data=FASHION_MNIST,
        description="28x28 pictures of clothing; the last 5,000 of the 60,000 training images are validation",
    )


def dlbench_suites() -> Iterable[Suite]:
    from . import comparing, suites

    parts = (comparing, robustness, segmentation, detection, captioning)
    return [suites.cifar10_published(), suites.cifar10_speed(), *(suite for part in parts for suite in part.suites())]
