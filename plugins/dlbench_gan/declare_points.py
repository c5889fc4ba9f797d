"""What is declared of adversarial networks for points and vectors, which take small images as flat vectors too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Image, ModelSpec, Sample, Signature, UsageError, Vector

ACCEPTS = ((Vector, Sample), (Image, Sample))


def build_pacgan(
    signature: Signature, *, width: int = 128, depth: int = 3, noise: int = 16, norm: bool = False, pack: int = 2
) -> Any:
    """`pack`: how many examples the discriminator judges at once; with 1 it is `gan`."""
    if pack < 1:
        raise UsageError(f"pacgan needs a pack of at least 1, not {pack}")
    from .pacgan import PacGAN

    return PacGAN(shape=_shape(signature), width=width, depth=depth, noise=noise, norm=norm, pack=pack)


def build_wgan_gp(
    signature: Signature,
    *,
    width: int = 128,
    depth: int = 3,
    noise: int = 16,
    penalty: float = 1.0,
    critic_steps: int = 2,
) -> Any:
    """`penalty`: the weight of the gradient penalty. `critic_steps`: the critic's for each of the generator's."""
    if critic_steps < 1:
        raise UsageError(f"wgan_gp needs critic_steps of at least 1, not {critic_steps}")
    if penalty < 0:
        raise UsageError(f"wgan_gp needs a penalty of 0 or more, not {penalty}")
    from .wgan_gp_learner import WGANGP

    shape = _shape(signature)
    return WGANGP(shape=shape, width=width, depth=depth, noise=noise, penalty=penalty, critic_steps=critic_steps)


def models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="pacgan",
        build=build_pacgan,
        accepts=ACCEPTS,
        family="GAN",
        paper="Lin et al. 2018, PacGAN: The power of two samples in generative adversarial networks",
        recipes={Sample: {"optimizer": "adam[beta1=0.5]"}, Vector: {"lr": 2e-3}},
    )
    yield ModelSpec(
        name="wgan_gp",
        build=build_wgan_gp,
        accepts=ACCEPTS,
        family="GAN",
        paper="Gulrajani et al. 2017, Improved Training of Wasserstein GANs",
        recipes={Sample: {"optimizer": "adam[beta1=0.5,beta2=0.9]"}, Vector: {"lr": 3e-3}},
    )


def _shape(signature: Signature) -> tuple[int, ...]:
    kind = signature.input
    return (kind.channels, kind.height, kind.width) if isinstance(kind, Image) else (kind.features,)
