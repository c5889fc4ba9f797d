"""Transformers trained from scratch: `vit_tiny`, `swin` for images, `detr` for what is in them; `gpt`, `encoder`,
`bert`, `transformer` for sequences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Classes, Image, ModelSpec, NotApplicable, Signature, UsageError, unknown

from . import declare_detection, declare_text
from .declare_options import check_heads


def build_vit(
    signature: Signature,
    *,
    patch: int | None = None,
    width: int = 64,
    depth: int = 2,
    heads: int = 4,
    dropout: float = 0.0,
    positions: str | None = "learned",
) -> Any:
    """`positions`: learned, or none, so that patches are a set. Raises NotApplicable where `patch` does not divide the
    sides, or `heads` the width."""
    from .vit import ViT

    if positions not in ("learned", None):
        raise unknown("positions", positions, ("learned", "none"))

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
        positions=positions,
    )


def build_swin(
    signature: Signature,
    *,
    width: int = 24,
    depth: int = 6,
    heads: int | None = None,
    window: int | None = None,
    patch: int | None = None,
) -> Any:
    """Raises NotApplicable where a side is too short for a patch, or `heads` doesn't divide the width; UsageError for a
    number that can't be."""
    from .swin import Swin

    image = signature.input
    smallest = max(Swin.smallest_side, patch or 0)
    if min(image.height, image.width) < smallest:
        raise NotApplicable(f"needs images with a side of at least {smallest}, not {image.height}x{image.width}")
    if depth < 6 or depth % 2:
        raise UsageError(f"needs an even depth of 6 or more, not {depth}")
    if min(1 if given is None else given for given in (heads, window, patch)) < 1:
        raise UsageError("needs heads, windows and patches of at least 1")
    check_heads(width, heads or 1)
    return Swin(
        channels=image.channels,
        size=(image.height, image.width),
        num_classes=signature.output.num_classes,
        width=width,
        depth=depth,
        heads=heads,
        window=window,
        patch=patch,
    )


def dlbench_models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="vit_tiny",
        build=build_vit,
        accepts=[(Image, Classes)],
        family="Transformer",
        paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words",
    )
    yield ModelSpec(
        name="swin",
        build=build_swin,
        accepts=[(Image, Classes)],
        family="Transformer",
        paper="Liu, Lin, Cao, Hu, Wei, Zhang, Lin and Guo 2021, Swin Transformer: Hierarchical Vision Transformer "
        "using Shifted Windows",
    )
    yield from declare_detection.models()
    yield from declare_text.models()
