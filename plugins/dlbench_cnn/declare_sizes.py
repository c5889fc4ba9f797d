"""What networks need to know of images. No torch."""

from __future__ import annotations

from typing import Any

from dlbench import Classes, Image, NotApplicable, Signature


def image_sizes(signature: Signature, smallest: int) -> dict[str, Any]:
    """`channels`, `size` (height, width) and `num_classes`. Raises NotApplicable where a side is below `smallest`."""
    image, classes = signature.input, signature.output
    assert isinstance(image, Image)
    assert isinstance(classes, Classes)
    if min(image.height, image.width) < smallest:
        raise NotApplicable(f"needs images with a side of at least {smallest}, not {image.height}x{image.width}")
    return {"channels": image.channels, "size": (image.height, image.width), "num_classes": classes.num_classes}
