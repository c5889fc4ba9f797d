"""The Inception networks after the first: builders and specs. Torch comes in inside the builders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlbench import Classes, Image, ModelSpec, Signature

from .declare_refusals import or_refused
from .declare_sizes import image_sizes

if TYPE_CHECKING:
    from torch import nn


def models() -> Iterator[ModelSpec]:
    papers = {
        "inception_v2": "Ioffe and Szegedy 2015, Batch Normalization: Accelerating Deep Network Training by Reducing "
        "Internal Covariate Shift",
        "inception_v3": "Szegedy, Vanhoucke, Ioffe, Shlens and Wojna 2016, Rethinking the Inception Architecture for "
        "Computer Vision",
        "inception_v4": "Szegedy, Ioffe, Vanhoucke and Alemi 2017, Inception-v4, Inception-ResNet and the Impact of "
        "Residual Connections on Learning",
    }
    builders = (_build_inception_v2, _build_inception_v3, _build_inception_v4)
    for (name, paper), build in zip(papers.items(), builders, strict=True):
        yield ModelSpec(name=name, build=build, accepts=[(Image, Classes)], family="CNN", paper=paper)


def _build_inception_v2(signature: Signature, *, width: int = 12, dropout: float = 0.2) -> nn.Module:
    """`width`: 64 in the paper."""
    from .inception_v2 import InceptionV2

    return InceptionV2(**image_sizes(signature, InceptionV2.smallest_side), width=width, dropout=dropout)


def _build_inception_v3(
    signature: Signature, *, depth: int = 5, width: int = 24, auxiliary: bool = False, dropout: float = 0.5
) -> nn.Module:
    """`depth`: modules, 9 in the paper. `width`: channels after the first layers, 192 in the paper. `auxiliary`: train
    a further head within the network, too."""
    from .inception_v3 import InceptionV3
    from .inception_v3_learner import AuxiliaryInceptionV3

    network = AuxiliaryInceptionV3 if auxiliary else InceptionV3
    sizes = image_sizes(signature, InceptionV3.smallest_side)
    return or_refused(network, sizes, depth=depth, width=width, dropout=dropout)


def _build_inception_v4(signature: Signature, *, depth: int = 6, width: int = 40, dropout: float = 0.2) -> nn.Module:
    """`depth`: modules, 14 in the paper. `width`: channels after the first layers, 384 in the paper."""
    from .inception_v4 import InceptionV4

    sizes = image_sizes(signature, InceptionV4.smallest_side)
    return or_refused(InceptionV4, sizes, depth=depth, width=width, dropout=dropout)
