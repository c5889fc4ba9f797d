"""Versions of installed packages, by the name under which they are imported. Nothing is imported for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def installed_of(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those of these packages that are installed here."""
    return {package: found for package in packages if (found := version_of(package)) is not None}


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Which of the versions in a record are others today, each as `torch 2.14.1 -> 2.15.0`."""
    return [f"{name} {was} -> {now.get(name, 'gone')}" for name, was in then.items() if now.get(name) != was]


@cache
def _owners() -> dict[str, list[str]]:
    return dict(packages_distributions())
