"""dlbench_regularize: augmentations, penalties, noise, bounds, weight averaging, and first weights. Torch is imported
on build."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dlbench import InitializerSpec, RegularizerSpec

from . import declare_initial, declare_weights

if TYPE_CHECKING:
    from dlbench import Regularizer


def dlbench_regularizers() -> Iterable[RegularizerSpec]:
    """What acts on inputs, losses and gradients, then what acts on weights and activations."""
    yield RegularizerSpec(
        name="crop_flip", build=_crop_flip, paper="He et al. (2016), Deep Residual Learning for Image Recognition"
    )
    yield RegularizerSpec(
        name="alternating_flip",
        build=_alternating_flip,
        paper="Jordan (2024), 94% on CIFAR-10 in 3.29 Seconds on a Single A100",
    )
    yield RegularizerSpec(
        name="flip_boxes",
        build=_flip_boxes,
        paper="Krizhevsky, Sutskever and Hinton (2012), ImageNet Classification with Deep Convolutional Neural "
        "Networks (reflections), with the boxes that belong to the image",
    )
    yield RegularizerSpec(
        name="input_noise",
        build=_input_noise,
        paper="Bishop (1995), Training with Noise is Equivalent to Tikhonov Regularization",
    )
    yield RegularizerSpec(
        name="l1", build=_l1, paper="Tibshirani (1996), Regression Shrinkage and Selection via the Lasso"
    )
    yield RegularizerSpec(
        name="l2",
        build=_l2,
        paper="Hoerl and Kennard (1970), Ridge Regression: Biased Estimation for Nonorthogonal Problems",
    )
    yield RegularizerSpec(
        name="gradient_noise",
        build=_gradient_noise,
        paper="Neelakantan et al. (2015), Adding Gradient Noise Improves Learning for Very Deep Networks",
    )
    yield RegularizerSpec(
        name="ema",
        build=_ema,
        paper="Polyak and Juditsky (1992), Acceleration of Stochastic Approximation by Averaging",
    )
    yield RegularizerSpec(
        name="dropedge",
        build=_dropedge,
        paper="Rong et al. (2020), DropEdge: Towards Deep Graph Convolutional Networks on Node Classification",
    )
    yield from declare_weights.specs()


def dlbench_initializers() -> Iterable[InitializerSpec]:
    return declare_initial.specs()


def _crop_flip(*, pad: int = 4, flip: bool = True) -> Regularizer:
    from .crop_flip import CropFlip

    return CropFlip(pad=pad, flip=flip)


def _alternating_flip() -> Regularizer:
    from .alternating_flip import AlternatingFlip

    return AlternatingFlip()


def _flip_boxes(*, horizontal: bool = True, vertical: bool = False) -> Regularizer:
    from .flip_boxes import FlipBoxes

    return FlipBoxes(horizontal=horizontal, vertical=vertical)


def _input_noise(*, sd: float = 0.1) -> Regularizer:
    from .input_noise import InputNoise

    return InputNoise(sd=sd)


def _l1(*, rate: float = 1e-4) -> Regularizer:
    from .penalties import L1

    return L1(rate=rate)


def _l2(*, rate: float = 1e-4) -> Regularizer:
    from .penalties import L2

    return L2(rate=rate)


def _gradient_noise(*, sd: float = 0.1, decay: float = 0.55) -> Regularizer:
    from .gradient_noise import GradientNoise

    return GradientNoise(sd=sd, decay=decay)


def _ema(*, decay: float = 0.999) -> Regularizer:
    from .ema import EMA

    return EMA(decay=decay)


def _dropedge(*, rate: float = 0.5) -> Regularizer:
    from .dropedge import DropEdge

    return DropEdge(rate=rate)
