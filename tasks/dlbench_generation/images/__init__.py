"""Pictures drawn anew, of any kind or of a class that is asked for: digits, MNIST, Fashion-MNIST, CIFAR-10."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dlbench import ConditionalSample, DataSet, Image, Metric, Sample, TaskSpec

from . import load
from .suites import suites as suites

OTHERS = (
    Metric(name="frechet_floor", unit="distance", higher_is_better=False),
    Metric(name="class_entropy", unit="nats"),
    Metric(name="precision"),
    Metric(name="recall"),
    Metric(name="copies", higher_is_better=False),
    Metric(name="nearest_ratio", unit="ratio"),
    Metric(name="spread", unit="ratio"),
    Metric(name="distinct"),
)
FID = Metric(name="fid_2000", unit="distance", higher_is_better=False)
OF_CLASSES = (Metric(name="recognised"), Metric(name="recognised_real"))
JUDGED = (
    "judged by the Frechet distance of {count} samples to the test pictures in 64 features of a small classifier "
    "that is trained here (no FID); frechet_floor is that of as many training pictures"
)
SCORED = (
    "of the classes asked for, ranked by how well a classifier that is trained on {count} samples knows the test "
    "pictures"
)
SETS = {
    "digits": "1,797 digits of 8x8 from scikit-learn, split 1,000 / 200 / 597 by class",
    "mnist": "28x28 handwritten digits, split as in mnist",
    "fashion": "28x28 pictures of clothing, split as in fashion_mnist",
    "cifar10": "32x32 colour images, split as in cifar10",
}
RECIPES = {
    "digits": {"optimizer": "adam", "lr": 1e-3, "batch_size": 64, "budget.steps": 2000, "evaluate_every": 250},
    "mnist": {"optimizer": "adam", "lr": 1e-3, "batch_size": 64, "budget.steps": 5000, "evaluate_every": 1000},
    "cifar10": {"optimizer": "adam", "lr": 2e-4, "batch_size": 64, "budget.steps": 50_000, "evaluate_every": 10_000},
}
LOADERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "digits": (load.digits, load.digits_by_class),
    "mnist": (load.mnist, load.mnist_by_class),
    "fashion": (load.fashion, load.fashion_by_class),
    "cifar10": (load.cifar10, load.cifar10_by_class),
}


def specs() -> Iterable[TaskSpec]:
    """NAME_gen and NAME_by_class of each set."""
    for name in SETS:
        yield _spec(name, by_class=False)
        yield _spec(name, by_class=True)


def _spec(name: str, *, by_class: bool) -> TaskSpec:
    count = load.COUNTS[name]
    frechet = Metric(name=f"frechet_{name}_{count}", unit="distance", higher_is_better=False)
    preload = ("sklearn.datasets", "sklearn.model_selection") if name == "digits" else ()
    return TaskSpec(
        name=f"{name}_by_class" if by_class else f"{name}_gen",
        input_kind=Image,
        output_kind=ConditionalSample if by_class else Sample,
        load=LOADERS[name][by_class],
        unit="image",
        metric=Metric(name="accuracy_score") if by_class else frechet,
        metrics=((frechet, *OF_CLASSES) if by_class else ()) + OTHERS + ((FID,) if name == "cifar10" else ()),
        monitor=frechet.name,
        floor=None,
        recipe=RECIPES.get(name, RECIPES["mnist"]),
        preload=preload,
        heavy=name != "digits",  # the first load trains the network
        description=f"{SETS[name]}; {(SCORED if by_class else JUDGED).format(count=count)}",
        **_files(name),
    )


def _files(name: str) -> dict[str, Any]:
    """What a specification says of the files of a set."""
    from dlbench_vision.cifar10_files import CIFAR10_SOURCES
    from dlbench_vision.files import FASHION_MNIST, MNIST

    if name == "cifar10":
        return {"data": load.cifar10_files, "datasets": tuple(CIFAR10_SOURCES.values())}
    found: DataSet | None = {"mnist": MNIST, "fashion": FASHION_MNIST}.get(name)
    return {"data": found}
