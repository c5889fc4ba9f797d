"""The networks that were made for ImageNet: builders and specs. Torch comes in inside the builders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from dlbench import Classes, Image, ModelSpec, Signature, UsageError, unknown

from . import declare_inception
from .declare_refusals import or_refused
from .declare_sizes import image_sizes

if TYPE_CHECKING:
    from torch import nn

HE = "He, Zhang, Ren and Sun 2016, "


def models() -> Iterator[ModelSpec]:
    yield _spec("alexnet", _build_alexnet, "Krizhevsky, Sutskever and Hinton 2012, ImageNet Classification with Deep "
                "Convolutional Neural Networks")  # fmt: skip
    for depth in (11, 13, 16, 19):
        yield _spec(f"vgg{depth}", partial(_build_vgg, depth=depth), "Simonyan and Zisserman 2015, Very Deep "
                    "Convolutional Networks for Large-Scale Image Recognition")  # fmt: skip
    yield _spec("googlenet", _build_googlenet, "Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke and "
                "Rabinovich 2015, Going Deeper with Convolutions")  # fmt: skip
    yield from declare_inception.models()
    yield _spec("densenet", _build_densenet, "Huang, Liu, van der Maaten and Weinberger 2017, Densely Connected "
                "Convolutional Networks")  # fmt: skip
    yield _spec("plainnet", _build_plainnet, HE + "Deep Residual Learning for Image Recognition")
    yield _spec("preact_resnet", _build_preact_resnet, HE + "Identity Mappings in Deep Residual Networks")
    for depth in (18, 34, 50):
        build = partial(_build_imagenet_resnet, depth=depth)
        yield _spec(f"resnet{depth}", build, HE + "Deep Residual Learning for Image Recognition")
    yield _spec(
        "convnext", _build_convnext, "Liu, Mao, Wu, Feichtenhofer, Darrell and Xie 2022, A ConvNet for the 2020s"
    )
    yield _spec("airnet", _build_airnet, "Jordan 2024, 94% on CIFAR-10 in 3.29 Seconds on a Single A100")
    yield _spec("deformable_cnn", _build_deformable_cnn, "Dai, Qi, Xiong, Li, Zhang, Hu and Wei 2017, Deformable "
                "Convolutional Networks")  # fmt: skip
    yield _spec("global_cnn", _build_global_cnn, "Oquab, Bottou, Laptev and Sivic 2015, Is Object Localization for "
                "Free? Weakly-Supervised Learning with Convolutional Neural Networks")  # fmt: skip
    yield _spec("cnn_attention", _build_cnn_attention, "Wang, Girshick, Gupta and He 2018, Non-local Neural Networks")


def _spec(name: str, build: Callable[..., Any], paper: str) -> ModelSpec:
    return ModelSpec(name=name, build=build, accepts=[(Image, Classes)], family="CNN", paper=paper)


def _build_alexnet(signature: Signature, *, width: int = 16, hidden: int = 256, dropout: float = 0.5) -> nn.Module:
    """`hidden`: units of the two fully connected layers."""
    from .alexnet import AlexNet

    return AlexNet(**image_sizes(signature, AlexNet.smallest_side), width=width, hidden=hidden, dropout=dropout)


def _build_vgg(
    signature: Signature,
    *,
    depth: int,
    width: int = 8,
    norm: str | None = "batch",
    hidden: int = 0,
    dropout: float = 0.0,
) -> nn.Module:
    """`norm`: `batch` or none. `hidden`: units of the two fully connected layers before the last, 0 for none."""
    from .vgg import VGG

    _check_norm(norm)
    sizes = image_sizes(signature, VGG.smallest_side)
    return VGG(**sizes, depth=depth, width=width, norm=norm, hidden=hidden, dropout=dropout)


def _build_googlenet(
    signature: Signature,
    *,
    width: int = 12,
    norm: str | None = "batch",
    auxiliary: bool = False,
    dropout: float = 0.2,
) -> nn.Module:
    """`width`: 64 in the paper. `norm`: none for the paper's form, `batch` for torchvision's. `auxiliary`: train two
    further heads within the network, too."""
    from .googlenet import GoogLeNet
    from .googlenet_learner import AuxiliaryGoogLeNet

    _check_norm(norm)
    network = AuxiliaryGoogLeNet if auxiliary else GoogLeNet
    return network(**image_sizes(signature, GoogLeNet.smallest_side), width=width, norm=norm, dropout=dropout)


def _build_densenet(signature: Signature, *, depth: int = 22, width: int = 20, stride: int = 2) -> nn.Module:
    """`depth`: 6n + 4 for CIFAR's form of three blocks, 121, 161, 169 or 201 for ImageNet's of four. `width`: the
    growth rate. `stride`: the first layer's, 1 in the paper."""
    from .densenet import DenseNet

    return or_refused(DenseNet, image_sizes(signature, DenseNet.smallest_side), depth=depth, width=width, stride=stride)


def _build_plainnet(
    signature: Signature, *, depth: int = 20, width: int = 16, norm: str | None = "batch", init: str = "he"
) -> nn.Module:
    """`depth`: 6n + 2. `norm`: `batch` or none. `init`: he, or default for torch's."""
    from .plainnet import PlainNet

    _check_norm(norm)
    sizes = image_sizes(signature, PlainNet.smallest_side)
    del sizes["size"]
    return or_refused(PlainNet, sizes, depth=depth, width=width, norm=norm, init=init)


def _build_preact_resnet(signature: Signature, *, depth: int = 20, width: int = 16, form: str = "cifar") -> nn.Module:
    """`form`: cifar for a depth of 6n + 2, imagenet for 18, 34, 50, 101 or 152."""
    from .preact_resnet import PreActResNet

    if form not in ("cifar", "imagenet"):
        raise unknown("form", form, ("cifar", "imagenet"))
    sizes = image_sizes(signature, PreActResNet.smallest_side)
    return or_refused(PreActResNet, sizes, depth=depth, width=width, form=form)


def _build_imagenet_resnet(signature: Signature, *, depth: int, width: int = 8) -> nn.Module:
    from .imagenet_resnet import ImageNetResNet

    return ImageNetResNet(**image_sizes(signature, ImageNetResNet.smallest_side), depth=depth, width=width)


def _build_convnext(signature: Signature, *, depth: int = 6, width: int = 16, scale: float = 1e-6) -> nn.Module:
    """`depth`: 6, 12, 18 blocks and so on. `scale`: what every block's branch is multiplied with at first."""
    from .convnext import ConvNeXt

    sizes = image_sizes(signature, ConvNeXt.smallest_side)
    return or_refused(ConvNeXt, sizes, depth=depth, width=width, scale=scale)


def _build_cnn_attention(signature: Signature, *, depth: int = 6, width: int = 24) -> nn.Module:
    """`depth`: convolutions in all, 3, 6, 9 and so on."""
    from .cnn_attention import CNNAttention

    return or_refused(CNNAttention, image_sizes(signature, CNNAttention.smallest_side), depth=depth, width=width)


def _build_airnet(signature: Signature, *, depth: int = 2, width: int = 32, smoothing: float = 0.2) -> nn.Module:
    """`depth`: convolutions in each of the three blocks. `smoothing`: the share of a target that is spread over all
    classes in training."""
    from .airnet import AirNet
    from .airnet_learner import SmoothedAirNet

    if not 0 <= smoothing < 1:
        raise UsageError(f"needs a smoothing of at least 0 and below 1, not {smoothing}")
    sizes = image_sizes(signature, AirNet.smallest_side)
    return or_refused(SmoothedAirNet, sizes, depth=depth, width=width, smoothing=smoothing)


def _build_deformable_cnn(
    signature: Signature, *, depth: int = 6, width: int = 24, deformable: bool = True
) -> nn.Module:
    """`depth`: convolutions in all, 3, 6, 9 and so on. `deformable`: false for the same network with plain ones."""
    from .deformable_cnn import DeformableCNN

    sizes = image_sizes(signature, DeformableCNN.smallest_side)
    return or_refused(DeformableCNN, sizes, depth=depth, width=width, deformable=deformable)


def _build_global_cnn(signature: Signature, *, depth: int = 3, width: int = 16, pool: str = "max") -> nn.Module:
    """`pool`: max or mean, over all places of the last maps."""
    from .global_cnn import GlobalCNN

    sizes = image_sizes(signature, GlobalCNN.smallest_side)
    del sizes["size"]
    return or_refused(GlobalCNN, sizes, depth=depth, width=width, pool=pool)


def _check_norm(norm: str | None) -> None:
    if norm not in ("batch", None):
        raise unknown("norm", str(norm), ("batch", "none"))
