"""dlbench_augment: images changed at random while they are trained on, each by its own draw, on their device. Torch is
imported on build."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dlbench import RegularizerSpec

if TYPE_CHECKING:
    from dlbench import Regularizer

SIMARD = (
    "Simard, Steinkraus and Platt (2003), Best Practices for Convolutional Neural Networks Applied to "
    "Visual Document Analysis"
)
LECUN = "LeCun, Bottou, Bengio and Haffner (1998), Gradient-Based Learning Applied to Document Recognition"
SZEGEDY = "Szegedy et al. (2015), Going Deeper with Convolutions"
ALEXNET = "Krizhevsky, Sutskever and Hinton (2012), ImageNet Classification with Deep Convolutional Neural Networks"
HE = "He, Zhang, Ren and Sun (2016), Deep Residual Learning for Image Recognition"
HOWARD = "Howard (2013), Some Improvements on Deep Convolutional Neural Network Based Image Classification"
CHEN = (
    "Chen, Kornblith, Norouzi and Hinton (2020), A Simple Framework for Contrastive Learning of Visual Representations"
)
CUTOUT = "DeVries and Taylor (2017), Improved Regularization of Convolutional Neural Networks with Cutout"
RAND = (
    "Cubuk, Zoph, Shlens and Le (2020), RandAugment: Practical Automated Data Augmentation with a Reduced Search Space"
)
MIXUP = "Zhang, Cisse, Dauphin and Lopez-Paz (2018), mixup: Beyond Empirical Risk Minimization"
CUTMIX = "Yun et al. (2019), CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features"
SMOOTH = "Szegedy, Vanhoucke, Ioffe, Shlens and Wojna (2016), Rethinking the Inception Architecture for Computer Vision"


def dlbench_regularizers() -> Iterable[RegularizerSpec]:
    """What moves images, what colours them, and what mixes them with others."""
    for name, (build, paper) in BUILDERS.items():
        yield RegularizerSpec(name=name, build=build, paper=paper)


def _rotation(*, degrees: float = 15.0, fill: str = "zero") -> Regularizer:
    from .geometric import Rotation

    return Rotation(degrees=degrees, fill=fill)


def _translation(*, share: float = 0.1, fill: str = "zero") -> Regularizer:
    from .geometric import Translation

    return Translation(share=share, fill=fill)


def _rescale(*, factor: float = 1.25, fill: str = "zero") -> Regularizer:
    from .geometric import Rescale

    return Rescale(factor=factor, fill=fill)


def _stretch(*, factor: float = 1.25, fill: str = "zero") -> Regularizer:
    from .geometric import Stretch

    return Stretch(factor=factor, fill=fill)


def _shear(*, degrees: float = 15.0, fill: str = "zero") -> Regularizer:
    from .geometric import Shear

    return Shear(degrees=degrees, fill=fill)


def _resized_crop(*, area: float = 0.5, ratio: float = 4 / 3) -> Regularizer:
    from .geometric import ResizedCrop

    return ResizedCrop(area=area, ratio=ratio)


def _flip(*, horizontal: bool = True, vertical: bool = False) -> Regularizer:
    from .whole import Flip

    return Flip(horizontal=horizontal, vertical=vertical)


def _crop(*, pad: int = 4, fill: str = "zero") -> Regularizer:
    from .whole import Crop

    return Crop(pad=pad, fill=fill)


def _colour_jitter(
    *, brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4, hue: float = 20.0
) -> Regularizer:
    from .colour import ColourJitter

    return ColourJitter(brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)


def _brightness(*, strength: float = 0.5) -> Regularizer:
    from .colour import Brightness

    return Brightness(strength=strength)


def _contrast(*, strength: float = 0.5) -> Regularizer:
    from .colour import Contrast

    return Contrast(strength=strength)


def _saturation(*, strength: float = 0.5) -> Regularizer:
    from .colour import Saturation

    return Saturation(strength=strength)


def _hue(*, degrees: float = 30.0) -> Regularizer:
    from .colour import Hue

    return Hue(degrees=degrees)


def _pca_jitter(*, alpha: float = 0.1) -> Regularizer:
    from .colour import PcaJitter

    return PcaJitter(alpha=alpha)


def _blur(*, sigma: float = 1.0) -> Regularizer:
    from .blur import Blur

    return Blur(sigma=sigma)


def _cutout(*, share: float = 0.5) -> Regularizer:
    from .cutout import Cutout

    return Cutout(share=share)


def _rand_augment(*, count: int = 2, magnitude: float = 9.0, fill: str = "zero") -> Regularizer:
    from .rand_augment import RandAugment

    return RandAugment(count=count, magnitude=magnitude, fill=fill)


def _mixup(*, alpha: float = 1.0) -> Regularizer:
    from .mixing import Mixup

    return Mixup(alpha=alpha)


def _cutmix(*, alpha: float = 1.0) -> Regularizer:
    from .mixing import CutMix

    return CutMix(alpha=alpha)


def _label_smoothing(*, epsilon: float = 0.1) -> Regularizer:
    from .mixing import LabelSmoothing

    return LabelSmoothing(epsilon=epsilon)


BUILDERS = {
    "rotation": (_rotation, SIMARD),
    "translation": (_translation, SIMARD),
    "rescale": (_rescale, LECUN),
    "stretch": (_stretch, LECUN),
    "shear": (_shear, LECUN),
    "resized_crop": (_resized_crop, SZEGEDY),
    "flip": (_flip, ALEXNET),
    "crop": (_crop, HE),
    "colour_jitter": (_colour_jitter, HOWARD),
    "brightness": (_brightness, HOWARD),
    "contrast": (_contrast, HOWARD),
    "saturation": (_saturation, HOWARD),
    "hue": (_hue, HOWARD),
    "pca_jitter": (_pca_jitter, ALEXNET),
    "blur": (_blur, CHEN),
    "cutout": (_cutout, CUTOUT),
    "rand_augment": (_rand_augment, RAND),
    "mixup": (_mixup, MIXUP),
    "cutmix": (_cutmix, CUTMIX),
    "label_smoothing": (_label_smoothing, SMOOTH),
}
