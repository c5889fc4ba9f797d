"""Decoded images, kept in the cache folder."""

from __future__ import annotations

from collections.abc import Callable

from dlbench import DataSet
from dlbench.data import Data
from dlbench.data.kept import Arrays, kept
from dlbench.data.verify import digest

VERSION = 1  # of the decoded form; raise it when a reader's result changes


def converted(data: Data, dataset: DataSet, decode: Callable[[Data, DataSet], Arrays]) -> Arrays:
    """What `decode` returns, from the cache where the same files were decoded before. Raises NoData if a file is
    missing; a cache that can't be read or written only costs decoding again."""
    parameters = {"version": VERSION, "data": digest(dataset, data.root, data.cache)}
    return kept(data.cache, f"vision/{dataset.name}", parameters, lambda: decode(data, dataset))
