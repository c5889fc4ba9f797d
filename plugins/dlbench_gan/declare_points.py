"""What is declared of adversarial networks for points and vectors, which take small images as flat vectors too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Image, ModelSpec, Sample, Signature, UsageError, Vector

ACCEPTS = ((Vector, Sample), (Image, Sample))
POINTS: dict[str, Any] = {"width": 128, "noise": 16, "norm": False, "dropout": 0.0}
PICTURES: dict[str, Any] = {"width": 256, "noise": 64, "norm": True, "dropout": 0.3}


def build_gan(
    signature: Signature, *, width: int | None = None, depth: int = 3, noise: int | None = None,
    norm: bool | None = None, dropout: float | None = None,
) -> Any:  # fmt: skip
    """What isn't given is 128, 16, false and 0 for points, 256, 64, true and 0.3 for pictures: `players`."""
    from .gan import GAN

    return GAN(**players(signature, width=width, noise=noise, norm=norm, dropout=dropout), depth=depth)


def build_pacgan(
    signature: Signature, *, width: int | None = None, depth: int = 3, noise: int | None = None,
    norm: bool | None = None, dropout: float | None = None, pack: int = 2,
) -> Any:  # fmt: skip
    """`pack`: how many examples the discriminator judges at once; with 1 it is `gan`, whose options it has."""
    if pack < 1:
        raise UsageError(f"pacgan needs a pack of at least 1, not {pack}")
    from .pacgan import PacGAN

    own = players(signature, width=width, noise=noise, norm=norm, dropout=dropout)
    return PacGAN(**own, depth=depth, pack=pack)


def build_wgan_gp(
    signature: Signature,
    *,
    width: int | None = None,
    depth: int = 3,
    noise: int | None = None,
    norm: bool | None = None,
    penalty: float = 1.0,
    critic_steps: int = 2,
) -> Any:
    """`penalty`: the weight of the gradient penalty. `critic_steps`: the critic's for each of the generator's. The rest
    as in `gan`."""
    if critic_steps < 1:
        raise UsageError(f"wgan_gp needs critic_steps of at least 1, not {critic_steps}")
    if penalty < 0:
        raise UsageError(f"wgan_gp needs a penalty of 0 or more, not {penalty}")
    from .wgan_gp_learner import WGANGP

    own = players(signature, width=width, noise=noise, norm=norm)
    return WGANGP(**own, depth=depth, penalty=penalty, critic_steps=critic_steps)


def players(signature: Signature, **given: Any) -> dict[str, Any]:
    """The shape of examples, and the options with what suits these where None is given. Raises UsageError."""
    usual = PICTURES if isinstance(signature.input, Image) else POINTS
    options = {name: usual[name] if value is None else value for name, value in given.items()}
    if not 0 <= options.get("dropout", 0) < 1:
        raise UsageError(f"option 'dropout' is from 0 to below 1, not {options['dropout']}")
    return {"shape": _shape(signature), **options}


def models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="gan",
        build=build_gan,
        accepts=ACCEPTS,
        family="GAN",
        paper="Goodfellow et al. 2014, Generative Adversarial Nets",
        recipes={Sample: {"optimizer": "adam[beta1=0.5]"}, Vector: {"lr": 2e-3}, Image: {"schedule": "cosine"}},
    )
    yield ModelSpec(
        name="pacgan",
        build=build_pacgan,
        accepts=ACCEPTS,
        family="GAN",
        paper="Lin et al. 2018, PacGAN: The power of two samples in generative adversarial networks",
        recipes={Sample: {"optimizer": "adam[beta1=0.5]"}, Vector: {"lr": 2e-3}, Image: {"schedule": "cosine"}},
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
