"""Generative adversarial networks: `gan`, for points and small images, and its descendants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Image, ModelSpec, Sample, Signature, Vector

from . import declare_images, declare_points, declare_unpaired


def build_gan(signature: Signature, *, width: int = 128, depth: int = 3, noise: int = 16, norm: bool = False) -> Any:
    from .gan import GAN

    kind = signature.input
    shape = (kind.channels, kind.height, kind.width) if isinstance(kind, Image) else (kind.features,)
    return GAN(shape=shape, width=width, depth=depth, noise=noise, norm=norm)


def dlbench_models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="gan",
        build=build_gan,
        accepts=[(Vector, Sample), (Image, Sample)],
        family="GAN",
        paper="Goodfellow et al. 2014, Generative Adversarial Nets",
        recipes={Sample: {"optimizer": "adam[beta1=0.5]"}, Vector: {"lr": 2e-3}},
    )
    for part in (declare_points, declare_images, declare_unpaired):
        yield from part.models()
