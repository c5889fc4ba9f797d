"""Graph neural networks, on PyTorch Geometric's layers where it has them. `declare` lists them."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import ModelSpec

from .declare import beyond, links, message_passing, propagation


def dlbench_models() -> Iterable[ModelSpec]:
    for room in (message_passing, propagation, beyond, links):
        yield from room.specs()
