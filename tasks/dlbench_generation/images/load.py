"""How the tasks are loaded. Torch comes with the tasks' own modules, on the first call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlbench import DataSet
from dlbench.data import Data

COUNTS = {"digits": 597, "mnist": 2000, "fashion": 2000, "cifar10": 2000}
"""How many samples are judged."""
NETWORKS: dict[str, tuple[tuple[int, ...], int]] = {
    "digits": ((64, 128), 400), "mnist": ((16, 32), 1900), "fashion": ((16, 32), 2800), "cifar10": ((16, 32, 64), 4000),
}  # fmt: skip
"""Channels and training steps of the network in whose features they are."""


def digits(data: Data) -> Any:
    return _task("digits", data, by_class=False)


def digits_by_class(data: Data) -> Any:
    return _task("digits", data, by_class=True)


def mnist(data: Data) -> Any:
    return _task("mnist", data, by_class=False)


def mnist_by_class(data: Data) -> Any:
    return _task("mnist", data, by_class=True)


def fashion(data: Data) -> Any:
    return _task("fashion", data, by_class=False)


def fashion_by_class(data: Data) -> Any:
    return _task("fashion", data, by_class=True)


def cifar10(data: Data, *, source: str = "auto", inception: str = "") -> Any:
    """`inception`: the file inception-2015-12-05.pt, for the true FID of 2,000 samples as a further metric."""
    return _task("cifar10", data, by_class=False, source=source, inception=inception)


def cifar10_by_class(data: Data, *, source: str = "auto", inception: str = "") -> Any:
    """`inception`: as in `cifar10`."""
    return _task("cifar10", data, by_class=True, source=source, inception=inception)


def cifar10_files(*, source: str = "auto", inception: str = "") -> DataSet:
    """The form of CIFAR-10 that `source` names."""
    from dlbench_vision.cifar10_files import cifar10_files as files

    return files(source=source)


def _task(name: str, data: Data, *, by_class: bool, source: str = "auto", inception: str = "") -> Any:
    from .judging import Judge
    from .task import PictureGeneration

    pictures = _readers(data, source)[name]()
    widths, steps = NETWORKS[name]
    judge = Judge(pictures, data, count=COUNTS[name], widths=widths, steps=steps, inception=inception)
    return PictureGeneration(pictures, judge, data, by_class=by_class)


def _readers(data: Data, source: str) -> dict[str, Callable[[], Any]]:
    from . import read

    return {
        "digits": read.digits,
        "mnist": lambda: read.mnist(data, name="mnist", folder="vision/mnist"),
        "fashion": lambda: read.mnist(data, name="fashion", folder="vision/fashion-mnist"),
        "cifar10": lambda: read.cifar10(data, dataset=cifar10_files(source=source)),
    }
