"""Versions of installed packages, by the name under which they are imported. Nothing is imported for it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version

OTHER_NAMES = {"sklearn": "scikit-learn", "PIL": "pillow", "skimage": "scikit-image"}
"""Of packages that built-in plugins use: saves reading what every installed distribution provides."""


@cache
def version_of(package: str) -> str | None:
    """The version of the distribution that provides a top-level package; None where none is known."""
    for name in (OTHER_NAMES.get(package, package), package.replace("_", "-")):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    owners = _owners().get(package)
    return version(owners[0]) if owners else None


@cache
def _owners() -> dict[str, list[str]]:
    return dict(packages_distributions())
