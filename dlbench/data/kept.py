"""Keep arrays that took time to make in the cache folder, so that the next cell reads them in a fraction of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


def kept(cache: Path, name: str, parameters: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
    """What `make` returns, from the cache where it was made before with equal `parameters`: all that the result depends
    on, a version of its maker among them. `name` is a folder and a name, `graph/csl`. A cache that can't be read or
    written only costs making it again."""
    key = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
    path = cache / f"{name}-{key[:32]}.npz"
    found = _read(path)
    if found is not None:
        return found
    arrays = make()
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
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)
    except OSError:
        pass
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
