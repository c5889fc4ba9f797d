"""The regularizers that act on weights, activations and gradients, for the front door. Torch is imported on build."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dlbench import RegularizerSpec

if TYPE_CHECKING:
    from dlbench import Regularizer


def specs() -> Iterable[RegularizerSpec]:
    yield RegularizerSpec(
        name="proximal_l1",
        build=_proximal_l1,
        paper="Daubechies, Defrise and De Mol (2004), An Iterative Thresholding Algorithm for Linear Inverse Problems "
        "with a Sparsity Constraint",
    )
    yield RegularizerSpec(
        name="weight_noise",
        build=_weight_noise,
        paper="Graves (2011), Practical Variational Inference for Neural Networks",
    )
    yield RegularizerSpec(
        name="activation_noise",
        build=_activation_noise,
        paper="Poole, Sohl-Dickstein and Ganguli (2014), Analyzing Noise in Autoencoders and Deep Networks",
    )
    yield RegularizerSpec(
        name="max_norm",
        build=_max_norm,
        paper="Srivastava et al. (2014), Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
    )
    yield RegularizerSpec(
        name="clip_value",
        build=_clip_value,
        paper="Mikolov (2012), Statistical Language Models Based on Neural Networks",
    )
    yield RegularizerSpec(
        name="swa",
        build=_swa,
        paper="Izmailov et al. (2018), Averaging Weights Leads to Wider Optima and Better Generalization",
    )


def _proximal_l1(*, rate: float = 1e-4) -> Regularizer:
    from .proximal_l1 import ProximalL1

    return ProximalL1(rate=rate)


def _weight_noise(*, sd: float = 0.5, relative: bool = True) -> Regularizer:
    from .weight_noise import WeightNoise

    return WeightNoise(sd=sd, relative=relative)


def _activation_noise(*, sd: float = 0.1) -> Regularizer:
    from .activation_noise import ActivationNoise

    return ActivationNoise(sd=sd)


def _max_norm(*, limit: float = 3.0) -> Regularizer:
    from .constraints import MaxNorm

    return MaxNorm(limit=limit)


def _clip_value(*, limit: float = 1.0) -> Regularizer:
    from .constraints import ClipValue

    return ClipValue(limit=limit)


def _swa(*, share: float = 0.75) -> Regularizer:
    from .swa import SWA

    return SWA(share=share)
