"""Generative adversarial networks: `gan`, for points and small images, and its descendants."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import ModelSpec

from . import declare_images, declare_points, declare_unpaired


def dlbench_models() -> Iterable[ModelSpec]:
    for part in (declare_points, declare_images, declare_unpaired):
        yield from part.models()
