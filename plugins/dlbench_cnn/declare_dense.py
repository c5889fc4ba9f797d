"""Networks that answer at every pixel: builders and specs. Torch comes in inside the builders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from dlbench import Image, Mask, ModelSpec, NotApplicable, PixelValue, Signature, UsageError

if TYPE_CHECKING:
    from torch import nn


def models() -> Iterator[ModelSpec]:
    accepts = [(Image, Mask), (Image, PixelValue)]
    yield ModelSpec(name="one_filter", build=_build_one_filter, accepts=accepts, family="CNN")
    yield ModelSpec(
        name="unet",
        build=_build_unet,
        accepts=accepts,
        family="CNN",
        paper="Ronneberger, Fischer and Brox 2015, U-Net: Convolutional Networks for Biomedical Image Segmentation",
    )


def _build_one_filter(signature: Signature, *, kernel: int = 3) -> nn.Module:
    """`kernel`: how many pixels the filter is wide and high, an odd number."""
    from .one_filter import OneFilter

    return _fitted(OneFilter, signature, kernel=kernel)


def _build_unet(signature: Signature, *, width: int = 8, depth: int = 3) -> nn.Module:
    """`depth`: how often the image is halved."""
    from .unet import UNet

    image = signature.input
    assert isinstance(image, Image)
    if depth > 0 and min(image.height, image.width) < 2**depth:
        raise NotApplicable(f"can't halve images of {image.height}x{image.width} {depth} times")
    return _fitted(UNet, signature, width=width, depth=depth)


def _fitted(network: Callable[..., nn.Module], signature: Signature, **options: Any) -> nn.Module:
    """The network, so that it gives what the signature asks for. Raises UsageError, in the network's own words, where
    it can't have these options."""
    from torch import nn

    image, output = signature.input, signature.output
    assert isinstance(image, Image)
    num_outputs = output.num_classes if isinstance(output, Mask) else 1
    try:
        built = network(channels=image.channels, num_outputs=num_outputs, **options)
    except ValueError as reason:
        raise UsageError(str(reason)) from None
    if isinstance(output, PixelValue):
        return nn.Sequential(built, nn.Flatten(start_dim=1, end_dim=2))  # (B, 1, H, W) -> (B, H, W)
    return built
