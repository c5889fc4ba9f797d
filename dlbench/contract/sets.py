"""What a task says of the files that it reads (canonical addresses, published checksums, licence), and what its `load`
receives. No torch."""

from __future__ import annotations

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
    device on which the task's tensors live."""

    root: Path
    cache: Path
    device: str = "cpu"

    def path(self, relative: str) -> Path:
        """A file of the data root; raises NoData if it isn't there."""
        path = self.root / relative
        if not path.exists():
            raise NoData(f"{relative} is missing from the data root")
        return path
