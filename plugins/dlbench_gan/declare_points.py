"""What is declared of adversarial networks for points and vectors."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import ModelSpec


def models() -> Iterable[ModelSpec]:
    return []
