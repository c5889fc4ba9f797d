"""Transformers trained from scratch: `vit_tiny` for images; `gpt`, `encoder`, `bert`, `transformer` for sequences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Classes, Image, ModelSpec, NotApplicable, Signature

from . import declare_text
from .declare_options import check_heads


def build_vit(
    signature: Signature,
    *,
    patch: int | None = None,
    width: int = 64,
    depth: int = 2,
    heads: int = 4,
    dropout: float = 0.0,
) -> Any:
    """Raises NotApplicable where `patch` does not divide the sides, or `heads` the width."""
    from .vit import ViT

    image = signature.input
    if patch is not None and (image.height % patch or image.width % patch):
        raise NotApplicable(f"needs an image with sides divisible by {patch}, not {image.height}x{image.width}")
    check_heads(width, heads)
    return ViT(
        channels=image.channels,
        size=(image.height, image.width),
        num_classes=signature.output.num_classes,
        patch=patch,
        width=width,
        depth=depth,
        heads=heads,
        dropout=dropout,
    )


def dlbench_models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="vit_tiny",
        build=build_vit,
        accepts=[(Image, Classes)],
        family="Transformer",
        paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words",
    )
    yield from declare_text.models()
