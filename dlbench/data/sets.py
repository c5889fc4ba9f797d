"""What a task says of the files that it reads: canonical addresses, published checksums, licence."""

from __future__ import annotations

from dataclasses import dataclass


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
