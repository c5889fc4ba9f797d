"""What is declared of models that draw molecules."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import ModelSpec


def models() -> Iterable[ModelSpec]:
    return []
