"""Keep decoded arrays in the cache folder, so that the next cell reads them in a fraction of the time."""

from __future__ import annotations

import contextlib
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dlbench import DataSet
from dlbench.data import Data
from dlbench.data.verify import digest

VERSION = 1  # of the decoded form; raise it when a reader's result changes

Arrays = dict[str, np.ndarray]


def converted(data: Data, dataset: DataSet, decode: Callable[[Data, DataSet], Arrays]) -> Arrays:
    """What `decode` returns, from the cache where the same files were decoded before. Raises NoData if a file is
    missing; a cache that can't be read or written only costs decoding again."""
    key = digest(dataset, data.root, data.cache)
    path = data.cache / "vision" / f"{dataset.name}-v{VERSION}-{key[:32]}.npz"
    kept = _read(path)
    if kept is not None:
        return kept
    arrays = decode(data, dataset)
    _write(path, arrays)
    return arrays


def _read(path: Path) -> Arrays | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        return None


def _write(path: Path, arrays: Arrays) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            np.savez(stream, **arrays)
        os.replace(temporary, path)
    except OSError:
        pass
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
