"""What a task says of the files that it reads (canonical addresses, published checksums, licence), and what its `load`
receives. No torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
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
    """The files that belong together under one name of `dlbench data`."""

    name: str
    files: tuple[DataFile, ...]
    licence: str = "not stated"
    source: str = ""


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
    return next((f for f in folders if all((f / file.path).is_file() for file in dataset.files)), folders[0])
