"""From what the command line names to suites."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..contract.specs import Suite
from ..plan.catalog import Catalog
from ..plan.suites import read_suite

DEFAULT_SUITE = "quick"


def choose_suites(catalog: Catalog, names: Iterable[str], has_pairs: bool) -> tuple[Suite, ...]:
    """The suites by name or file; `quick` where nothing at all is named; none where only models or tasks are."""
    chosen = tuple(read_suite(Path(name)) if name.endswith(".toml") else catalog.suite(name) for name in names)
    if chosen or has_pairs:
        return chosen
    return (catalog.suite(DEFAULT_SUITE),)
