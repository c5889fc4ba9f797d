"""Transformers trained from scratch: `vit_tiny` for images, `gpt_tiny` for next tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Classes, Image, ModelSpec, NextToken, NotApplicable, Signature, Tokens


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
    _check_heads(width, heads)
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


def build_gpt(
    signature: Signature,
    *,
    max_length: int = 256,
    width: int = 64,
    depth: int = 2,
    heads: int = 4,
    dropout: float = 0.0,
) -> Any:
    """`max_length` is the number of positions where the task sets no limit. Raises NotApplicable where the output has
    other tokens than the input, as they share one embedding, or `heads` does not divide the width."""
    from .gpt import GPT

    tokens = signature.input
    if tokens.vocab != signature.output.vocab:
        raise NotApplicable("needs one vocabulary for input and output, as they share one embedding")
    _check_heads(width, heads)
    length = max_length if tokens.length is None else tokens.length
    return GPT(vocab=tokens.vocab, max_length=length, width=width, depth=depth, heads=heads, dropout=dropout)


def _check_heads(width: int, heads: int) -> None:
    if width % heads:
        raise NotApplicable(f"needs a width divisible by its {heads} heads, not {width}")


def dlbench_models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="vit_tiny",
        build=build_vit,
        accepts=[(Image, Classes)],
        family="Transformer",
        paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words",
    )
    yield ModelSpec(
        name="gpt_tiny",
        build=build_gpt,
        accepts=[(Tokens, NextToken)],
        family="Transformer",
        paper="Radford et al. 2019, Language Models are Unsupervised Multitask Learners",
    )
