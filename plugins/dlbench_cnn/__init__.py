"""Convolutional networks for small images and for series."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from dlbench import Classes, Image, ModelSpec, Series, Signature, UsageError

from . import declare_dense, declare_detection, declare_images
from .declare_sizes import image_sizes

if TYPE_CHECKING:
    from torch import nn


def dlbench_models() -> Iterator[ModelSpec]:
    """`lenet5`, and the residual networks of 8, 20, 32 and 56 layers made for CIFAR; the networks that were made for
    ImageNet; those that answer at every pixel; `cnn1d` for series."""
    yield ModelSpec(
        name="lenet5",
        build=_build_lenet5,
        accepts=[(Image, Classes)],
        family="CNN",
        paper="LeCun, Bottou, Bengio and Haffner 1998, Gradient-Based Learning Applied to Document Recognition",
    )
    for depth in (8, 20, 32, 56):
        yield ModelSpec(
            name=f"resnet{depth}",
            build=partial(_build_resnet, depth=depth),
            accepts=[(Image, Classes)],
            family="CNN",
            paper="He, Zhang, Ren and Sun 2016, Deep Residual Learning for Image Recognition",
        )
    yield from declare_images.models()
    yield from declare_dense.models()
    yield from declare_detection.models()
    yield ModelSpec(
        name="cnn1d",
        build=_build_cnn1d,
        accepts=[(Series, Classes)],
        family="CNN",
        paper="Wang, Yan and Oates 2017, Time Series Classification from Scratch with Deep Neural Networks: A Strong "
        "Baseline",
    )


def _build_lenet5(signature: Signature) -> nn.Module:
    from .lenet5 import LeNet5

    return LeNet5(**image_sizes(signature, LeNet5.smallest_side))


def _build_resnet(signature: Signature, *, depth: int, width: int = 16) -> nn.Module:
    from .resnet import ResNet

    sizes = image_sizes(signature, ResNet.smallest_side)
    return ResNet(channels=sizes["channels"], num_classes=sizes["num_classes"], depth=depth, width=width)


def _build_cnn1d(
    signature: Signature, *, width: int = 64, depth: int = 3, kernel: int = 5, dropout: float = 0.0
) -> nn.Module:
    """`kernel`: how many steps a convolution sees, an odd number."""
    from .cnn1d import CNN1d

    series, classes = signature.input, signature.output
    assert isinstance(series, Series)
    assert isinstance(classes, Classes)
    if kernel % 2 == 0 or kernel < 1 or depth < 1:
        raise UsageError(f"needs an odd kernel and a depth of at least 1, not {kernel} and {depth}")
    return CNN1d(
        features=series.features, num_classes=classes.num_classes, width=width, depth=depth, kernel=kernel,
        dropout=dropout,
    )  # fmt: skip
