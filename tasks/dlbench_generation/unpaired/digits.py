"""`digits_inverted`, `digits_rotated`: scikit-learn's digits and the same changed; splits are those of `digits`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dlbench.data import Data
from dlbench.data.splits import stratified_split

from .domains import Domains, Labelled, Pictures, Split
from .task import UnpairedTask

LEVELS = 16
HALVES_SEED = 71
CHANGES: dict[str, Callable[[Pictures], Pictures]] = {
    "inverted": lambda pictures: (LEVELS - pictures).astype(np.uint8),
    "rotated": lambda pictures: np.ascontiguousarray(np.rot90(pictures, axes=(2, 3))),
}


def load(data: Data, *, change: str) -> UnpairedTask:
    """The training digits in two halves, classes in proportion: the first as they are, the second changed."""
    return UnpairedTask(domains(data, change), data=data)


def domains(data: Data, change: str) -> Domains:
    """Both domains by split; in `val` and `test` the second holds the same digits as the first, changed."""
    from dlbench_vision.digits import load as load_digits

    digits = load_digits(replace(data, device="cpu"))
    found = {split: [part.numpy() for part in digits.examples(split)] for split in ("train", "val", "test")}
    changed = CHANGES[change]
    pictures, classes = found["train"]
    half = len(classes) // 2
    first, second = stratified_split(classes, (half, len(classes) - half), HALVES_SEED)
    splits = {"train": Split(first=pictures[first], second=changed(pictures[second]))}
    for split in ("val", "test"):
        shown, of = found[split]
        splits[split] = Split(first=shown, second=changed(shown), classes=of)
    lessons = tuple(Labelled(pictures=seen, classes=classes) for seen in (pictures, changed(pictures)))
    return Domains(
        name=f"digits_{change}", metric=f"frechet_{change}_360", splits=splits, lessons=lessons, levels=LEVELS
    )
