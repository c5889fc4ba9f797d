"""The data root and what a task's `load` receives. No torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import NoData, UsageError


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


def default_root() -> Path:
    """`DLBENCH_DATA`, else the platform's data folder. Raises UsageError where the user has no home."""
    return _folder("DLBENCH_DATA", "user_data_path")


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
