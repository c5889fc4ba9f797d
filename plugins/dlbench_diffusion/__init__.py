"""Models with a likelihood or a path from noise to data: variational autoencoders, diffusion, flow matching."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import ModelSpec

from . import declare


def dlbench_models() -> Iterable[ModelSpec]:
    return declare.models()
