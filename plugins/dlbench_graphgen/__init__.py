"""Models that draw graphs and molecules."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import ModelSpec

from . import declare_graphs, declare_molecules


def dlbench_models() -> Iterable[ModelSpec]:
    return [*declare_graphs.models(), *declare_molecules.models()]
