"""What a task says of the files that it reads (canonical addresses, published checksums, licence), and what its `load`
receives. No torch."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import NoData


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One file. `path` is relative to the data root, with forward slashes; `urls` are tried in order and may be
    empty where the file can't be fetched openly."""

    path: str
    sha256: str
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """The files that belong together under one name of `dlbench data`.

    `alternatives`: other sets of files with the same content. Where this one isn't whole, the first of them that is
    stands for it; records say the same of all, as long as their checksums are the published ones.
    """

    name: str
    files: tuple[DataFile, ...]
    licence: str = "not stated"
    source: str = ""
    alternatives: tuple[DataSet, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Data:
    """What `load(data, **options)` gets: where files are, where generated and converted data may be kept, and the
    device on which the task's tensors live. `root` may name several folders, as PATH does."""

    root: Path
    cache: Path
    device: str = "cpu"

    def path(self, relative: str) -> Path:
        """A file or folder of the data root, of several the first that has it; raises NoData if it isn't there."""
        for folder in folders_of(self.root):
            if (folder / relative).exists():
                return folder / relative
        raise NoData(f"{relative} is missing from the data root")


def folders_of(root: Path) -> list[Path]:
    """The folders that a data root names: one, or several between colons, of which the first is written to."""
    parts = str(root).split(os.pathsep)
    return [Path(part) for part in parts if part] if len(parts) > 1 and not root.exists() else [root]


def home_of(dataset: DataSet, root: Path) -> Path:
    """The folder of the data root where all files of a set are; the first, where none has them all."""
    folders = folders_of(root)
    return next((folder for folder in folders if is_whole(dataset, folder)), folders[0])


def at_hand(dataset: DataSet, root: Path) -> DataSet:
    """The set, or the first of its alternatives, that is whole in one folder of the data root; the set, where none
    is."""
    sets = (dataset, *dataset.alternatives)
    return next((one for one in sets if is_whole(one, home_of(one, root))), dataset)


def rooted(data: Data, dataset: DataSet) -> Data:
    """The data for a task that reads this set: of several folders, the one whose files were verified comes first."""
    folders = folders_of(data.root)
    if len(folders) == 1:
        return data
    home = home_of(at_hand(dataset, data.root), data.root)
    others = [folder for folder in folders if folder != home]
    return replace(data, root=Path(os.pathsep.join(map(str, [home, *others]))))


def is_whole(dataset: DataSet, folder: Path) -> bool:
    """Whether all files of a set are in a folder, whatever they hold."""
    return all((folder / file.path).is_file() for file in dataset.files)
