"""The pictures that generators learn from and their classes: scikit-learn's digits, MNIST, Fashion-MNIST, CIFAR-10."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dlbench import DataSet
from dlbench.data import Data
from dlbench.data.splits import stratified_split

DIGITS = {"train": 1000, "val": 200, "test": 597}
DIGITS_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """`splits`: for train, val and test the pictures (N, C, H, W) uint8, 0 to `brightest`, and their classes (N,)
    int64. `name`: of the set, as metrics and the cache have it."""

    name: str
    splits: Mapping[str, tuple[Tensor, Tensor]]
    brightest: int = 255
    num_classes: int = 10

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        channels, height, width = self.splits["train"][0].shape[1:]
        return channels, height, width

    def floats(self, pixels: Tensor) -> Tensor:
        """Pixels as models get them: float32, from -1 (black) to 1."""
        return pixels * (2 / self.brightest) - 1

    def to(self, device: str) -> Pictures:
        """The same, on a device."""
        splits = {name: (pixels.to(device), classes.to(device)) for name, (pixels, classes) in self.splits.items()}
        return Pictures(name=self.name, splits=splits, brightest=self.brightest, num_classes=self.num_classes)

    def digest(self) -> str:
        """A sha256 of all pictures and classes."""
        found = hashlib.sha256()
        for name in sorted(self.splits):
            for tensor in self.splits[name]:
                found.update(f"{name} {tuple(tensor.shape)}".encode())
                found.update(tensor.cpu().contiguous().numpy().tobytes())
        return found.hexdigest()


def digits() -> Pictures:
    """1,797 pictures of 8x8 in 17 shades: 1,000 to learn from, 200 for validation, 597 to judge by, each with the
    classes in proportion."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels, classes = bunch.images.astype(np.uint8)[:, None], bunch.target.astype(np.int64)
    parts = stratified_split(classes, tuple(DIGITS.values()), DIGITS_SEED)
    splits = {
        split: (torch.from_numpy(pixels[index]), torch.from_numpy(classes[index]))
        for split, index in zip(DIGITS, parts, strict=True)
    }
    return Pictures(name="digits", splits=splits, brightest=16)


def mnist(data: Data, *, name: str, folder: str) -> Pictures:
    """MNIST or Fashion-MNIST, split as the tasks `mnist` and `fashion_mnist` are. Raises NoData for missing or damaged
    files."""
    from dlbench_vision.mnist import load

    return _of_classes(name, load(Data(root=data.root, cache=data.cache), folder=folder))


def cifar10(data: Data, *, dataset: DataSet) -> Pictures:
    """CIFAR-10, split as the task `cifar10` is. Raises NoData for missing or damaged files."""
    from dlbench_vision.cifar10 import load

    return _of_classes("cifar10", load(Data(root=data.root, cache=data.cache), dataset=dataset))


def _of_classes(name: str, task: object) -> Pictures:
    from dlbench.data.images import ImageClassification

    assert isinstance(task, ImageClassification)
    return Pictures(name=name, splits={split: task.examples(split) for split in ("train", "val", "test")})
