"""`emoji_style`: the same emoji as two hands drew them."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlbench import DataSet, NoData
from dlbench.data import Data

from .domains import Domains, Labelled, Pictures, Split
from .task import UnpairedTask

FIRST, SECOND, VAL, TEST = (0, 1, 2, 4), (5, 6, 8, 9), (7,), (3,)  # by the last digit of the row
CATEGORY = 3  # column of the table


def load(data: Data, dataset: DataSet) -> UnpairedTask:
    """Raises NoData for missing or damaged files."""
    return UnpairedTask(domains(*read(data, dataset)), data=data)


def read(data: Data, dataset: DataSet) -> tuple[Pictures, Pictures, NDArray[np.int64]]:
    """The drawings of both styles (N, 3, 32, 32), and their categories (N,)."""
    from dlbench_vision.captioning.emoji import read_sheet
    from dlbench_vision.converted import converted

    *sheets, table = (data.path(file.path) for file in dataset.files)
    classes = read_categories(table)
    kept = converted(data, dataset, lambda *_: {path.stem: read_sheet(path) for path in sheets})
    first, second = (kept[path.stem][: len(classes)] for path in sheets)
    if len(first) < len(classes):
        raise NoData(f"{table.name} has {len(classes)} rows, but a sheet only {len(first)} drawings")
    return first, second, classes


def domains(first: Pictures, second: Pictures, classes: NDArray[np.int64]) -> Domains:
    """Rows of `first` and `second` are partners; no row is in both domains of the training split."""
    last = np.arange(len(classes)) % 10
    rows = {name: np.isin(last, digits) for name, digits in
            {"first": FIRST, "second": SECOND, "val": VAL, "test": TEST}.items()}  # fmt: skip
    if not all(chosen.any() for chosen in rows.values()):
        raise NoData(f"{len(classes)} emoji are too few to hold some out")
    splits = {"train": Split(first=first[rows["first"]], second=second[rows["second"]])}
    for split in ("val", "test"):
        chosen = rows[split]
        splits[split] = Split(first=first[chosen], second=second[chosen], classes=classes[chosen])
    known = rows["first"] | rows["second"]
    lessons = tuple(Labelled(pictures=style[known], classes=classes[known]) for style in (first, second))
    return Domains(name="emoji_style", metric="frechet_twemoji_379", splits=splits, lessons=lessons)


def read_categories(path: Path) -> NDArray[np.int64]:
    """The category of every row, numbered by name; raises NoData for a table that `emoji_captions` would refuse."""
    from dlbench_vision.captioning.emoji import read_captions

    count = len(read_captions(path))
    lines = lzma.decompress(path.read_bytes()).decode("utf-8").splitlines()[1 : count + 1]
    names = [line.split("\t")[CATEGORY] for line in lines]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
