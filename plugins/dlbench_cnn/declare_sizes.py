"""What networks need to know of images, and options that they can't have. No torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dlbench import Classes, Image, NotApplicable, Signature, UsageError

if TYPE_CHECKING:
    from torch import nn


def image_sizes(signature: Signature, smallest: int) -> dict[str, Any]:
    """`channels`, `size` (height, width) and `num_classes`. Raises NotApplicable where a side is below `smallest`."""
    image, classes = signature.input, signature.output
    assert isinstance(image, Image)
    assert isinstance(classes, Classes)
    if min(image.height, image.width) < smallest:
        raise NotApplicable(f"needs images with a side of at least {smallest}, not {image.height}x{image.width}")
    return {"channels": image.channels, "size": (image.height, image.width), "num_classes": classes.num_classes}


def or_refused(network: Callable[..., nn.Module], sizes: dict[str, Any], **options: Any) -> nn.Module:
    """The network. Raises UsageError, in the network's own words, where it can't have these options."""
    try:
        return network(**sizes, **options)
    except ValueError as reason:
        raise UsageError(str(reason)) from None
