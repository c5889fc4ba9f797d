"""Every image classifier of torchvision, by its name there: `torchvision:resnet18`, `torchvision:swin_t`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlbench import Classes, Image, ModelSpec, Signature

if TYPE_CHECKING:
    from torch import nn


def dlbench_models() -> Iterator[ModelSpec]:
    """One open family, `torchvision:*`."""
    yield ModelSpec(
        name="torchvision:*",
        build=_build,
        accepts=[(Image, Classes)],
        family="torchvision",
        paper="TorchVision maintainers and contributors 2016, TorchVision: PyTorch's Computer Vision library; each "
        "member has its own paper",
        preload=("torchvision",),
    )


def _build(signature: Signature, *, member: str, weights: str | None = None) -> nn.Module:
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
        weights=weights,
    )
