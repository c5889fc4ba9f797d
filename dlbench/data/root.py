"""Where the data root and the cache are. No torch."""

from __future__ import annotations

import os
from pathlib import Path

from ..contract.sets import folders_of
from ..errors import UsageError


def default_root() -> Path:
    """`DLBENCH_DATA`, else the platform's data folder. Raises UsageError where the user has no home."""
    return _folder("DLBENCH_DATA", "user_data_path")


def absolute_root(given: Path | None) -> Path:
    """The data root that a command was given, else the default one, without links or relative parts. Several folders
    stay several."""
    return Path(os.pathsep.join(str(folder.resolve()) for folder in folders_of(given or default_root())))


def default_cache() -> Path:
    """`DLBENCH_CACHE`, else the platform's cache folder. Raises UsageError where the user has no home."""
    return _folder("DLBENCH_CACHE", "user_cache_path")


def _folder(variable: str, place: str) -> Path:
    if given := os.environ.get(variable):
        return Path(given)
    import platformdirs

    try:
        path: Path = getattr(platformdirs, place)("dlbench", appauthor=False)
    except RuntimeError:
        path = Path("~")
    if not path.is_absolute():
        raise UsageError(f"this user has no home folder: set {variable}, or HOME")
    return path
