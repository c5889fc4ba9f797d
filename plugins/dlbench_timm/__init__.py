"""Every image classifier of timm, by its name there: `timm:resnet18`, `timm:vit_tiny_patch16_224`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlbench import Classes, Image, ModelSpec, Signature

if TYPE_CHECKING:
    from torch import nn


def dlbench_models() -> Iterator[ModelSpec]:
    """One open family, `timm:*`."""
    yield ModelSpec(
        name="timm:*",
        build=_build,
        accepts=[(Image, Classes)],
        family="timm",
        paper="Wightman 2019, PyTorch Image Models; each member has its own paper",
        preload=("timm",),
    )


def _build(
    signature: Signature,
    *,
    member: str,
    drop_rate: float = 0.0,
    drop_path_rate: float = 0.0,
    weights: str | None = None,
) -> nn.Module:
    """`weights`: a file with a state_dict of this network, to start from; a head for other classes starts afresh."""
    from .create import create

    image, classes = signature.input, signature.output
    assert isinstance(image, Image)
    assert isinstance(classes, Classes)
    return create(
        member=member,
        channels=image.channels,
        size=(image.height, image.width),
        num_classes=classes.num_classes,
        drop_rate=drop_rate,
        drop_path_rate=drop_path_rate,
        weights=weights,
    )
