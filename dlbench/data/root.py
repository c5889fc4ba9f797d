"""The data root and what a task's `load` receives. No torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import NoData


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
    """`DLBENCH_DATA`, else the platform's data folder."""
    if given := os.environ.get("DLBENCH_DATA"):
        return Path(given)
    from platformdirs import user_data_path

    return user_data_path("dlbench", appauthor=False)


def default_cache() -> Path:
    """`DLBENCH_CACHE`, else the platform's cache folder."""
    if given := os.environ.get("DLBENCH_CACHE"):
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("dlbench", appauthor=False)
