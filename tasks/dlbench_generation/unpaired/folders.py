"""`unpaired:FOLDER,FOLDER`: any two folders of pictures."""

from __future__ import annotations

import numpy as np

from dlbench import NoData, UsageError
from dlbench.data import Data
from dlbench.data.folders import read_unlabelled

from .domains import Domains, Labelled, Split
from .task import UnpairedTask

SPLITS = ("train", "val", "test")
FEWEST = 2  # a covariance needs two


def load(data: Data, member: str, *, size: int | None, grey: bool) -> UnpairedTask:
    """`member`: two folders, a comma between. Raises UsageError for another number of them; NoData, naming folder or
    file, for what is missing, empty, no picture, or of another size."""
    names = [name.strip() for name in member.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise UsageError(f"unpaired:FOLDER,FOLDER needs two folders with a comma between, not {member!r}")
    first, second = (read_unlabelled(data, name, size=size, grey=grey) for name in names)
    sides = [part["train"].shape[2:] for part in (first, second)]
    if sides[0] != sides[1]:
        shown = " and ".join(f"{name} of {side[0]} x {side[1]}" for name, side in zip(names, sides, strict=True))
        raise NoData(f"the pictures are of several sizes, {shown}: give a size to resize to")
    for name, part in zip(names, (first, second), strict=True):
        for split, pictures in part.items():
            if len(pictures) < FEWEST:
                raise NoData(f"{name} has {len(pictures)} pictures in {split}: needs {FEWEST} or more")
    splits = {split: Split(first=first[split], second=second[split]) for split in SPLITS}
    return UnpairedTask(domains(splits), data=data)


def domains(splits: dict[str, Split]) -> Domains:
    """The classes that a network learns are the domains themselves."""
    train = splits["train"]
    classes = np.repeat([0, 1], [len(train.first), len(train.second)])
    both = Labelled(pictures=np.concatenate([train.first, train.second]), classes=classes)
    return Domains(name="folders", metric="frechet_folders", splits=splits, lessons=(both, both))
