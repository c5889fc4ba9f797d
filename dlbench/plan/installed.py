"""Which plugins are installed: the entry points of the group `dlbench`, without importlib.metadata, whose own imports
take longer than all else that `dlbench list` does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

GROUP = "dlbench"
HEADING = f"[{GROUP}]".encode()
METADATA = (".dist-info", ".egg-info")


def plugins() -> list[tuple[str, str]]:
    """Name and target of each entry point, as importlib.metadata finds them: of distributions of one name the first on
    Python's path counts. Asks importlib.metadata where something else than folders may hold distributions."""
    if any(os.path.isfile(entry) for entry in sys.path) or any(
        hasattr(finder, "find_distributions") and getattr(finder, "__name__", "") != "PathFinder"
        for finder in sys.meta_path
    ):
        return [*_found_by_others()]
    seen: set[str] = set()
    found: list[tuple[str, str]] = []
    for folder in sys.path:
        for distribution, path in _distributions(folder or "."):
            if distribution not in seen:
                seen.add(distribution)
                found += _read(f"{path}/entry_points.txt")
    return found


def _found_by_others() -> Iterator[tuple[str, str]]:
    """By all finders that there are; a distribution that can't be read is none."""
    from importlib.metadata import distributions

    seen = set()
    for distribution in distributions():
        try:
            points = distribution.entry_points
        except (OSError, ValueError):
            continue
        name = getattr(distribution, "_normalized_name", None) or distribution.name  # a name needs another file
        if name not in seen:
            seen.add(name)
            yield from ((point.name, point.value) for point in points if point.group == GROUP)


def _distributions(folder: str) -> Iterator[tuple[str, str]]:
    """The distributions whose metadata lie in a folder: normalized name and path."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith(METADATA)]
    except OSError:
        return
    for name in names:
        distribution = os.path.splitext(name)[0].partition("-")[0].lower().replace("_", "-").replace(".", "-")
        yield distribution, f"{folder}/{name}"


def _read(path: str) -> Iterator[tuple[str, str]]:
    try:
        with open(path, "rb") as file:
            content = file.read()
        text = content.decode() if HEADING in content else ""
    except (OSError, UnicodeDecodeError):
        return
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == GROUP and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name.strip(), value.strip()
