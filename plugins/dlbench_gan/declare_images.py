"""What is declared of adversarial networks for pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import ConditionalSample, Image, ModelSpec, NotApplicable, Sample, Signature, UsageError, Vector

from .declare_points import players


def models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="dcgan",
        build=build_dcgan,
        accepts=[(Image, Sample)],
        family="GAN",
        paper=(
            "Radford, Metz and Chintala 2016, Unsupervised Representation Learning with Deep Convolutional Generative "
            "Adversarial Networks"
        ),
        recipes={
            Sample: {"optimizer": "adam[beta1=0.5]", "lr": 2e-4},
            "digits_gen": {"lr": 2e-3, "schedule": "cosine"},  # 1,500 steps do there what 2e-4 needs far more for
        },
    )
    yield ModelSpec(
        name="cgan",
        build=build_cgan,
        accepts=[(Image, ConditionalSample), (Vector, ConditionalSample)],
        family="GAN",
        paper="Mirza and Osindero 2014, Conditional Generative Adversarial Nets",
        recipes={ConditionalSample: {"optimizer": "adam[beta1=0.5]"}, Image: {"schedule": "cosine"}},
    )
    adam = "adam[beta1=0.0,beta2=0.9]"
    yield ModelSpec(
        name="sagan",
        build=build_sagan,
        accepts=[(Image, Sample), (Image, ConditionalSample)],
        family="GAN",
        paper="Zhang, Goodfellow, Metaxas and Odena 2019, Self-Attention Generative Adversarial Networks",
        recipes={
            Image: {"optimizer": adam, "generator.lr": 1e-4, "discriminator.lr": 4e-4},
            "digits_gen": {"generator.lr": 1e-3, "discriminator.lr": 4e-3, "schedule": "cosine"},  # as for dcgan
        },
    )


def build_dcgan(signature: Signature, *, width: int = 64, noise: int = 100, discriminator_steps: int = 1) -> Any:
    """`width`: channels at half the pictures' size, doubled with each further halving. `discriminator_steps` share out
    a batch before each step of the generator."""
    from .dcgan import ConvDiscriminator, ConvGenerator
    from .two_players_learner import TwoPlayers

    _checked(width=width, noise=noise, discriminator_steps=discriminator_steps)
    sizes = _sizes(signature)
    return TwoPlayers(
        generator=ConvGenerator(**sizes, width=width, noise=noise),
        discriminator=ConvDiscriminator(**sizes, width=width),
        noise=noise,
        discriminator_steps=discriminator_steps,
    )


def build_cgan(
    signature: Signature, *, width: int | None = None, depth: int = 3, noise: int | None = None, embedding: int = 16,
    norm: bool | None = None, dropout: float | None = None, conv: bool = False,
) -> Any:  # fmt: skip
    """`embedding`: numbers for a class. `conv`: the players of `dcgan`, which have no `depth`, `norm` or `dropout` to
    choose, in place of the perceptrons of `gan`."""
    from .conditional import ClassDiscriminator, ClassGenerator
    from .dcgan import ConvDiscriminator, ConvGenerator
    from .two_players_learner import TwoPlayers

    own = players(signature, width=width, noise=noise, norm=norm, dropout=dropout)
    noise = own["noise"]
    _checked(width=own["width"], depth=depth, noise=noise, embedding=embedding)
    common = {"num_classes": _num_classes(signature), "width": own["width"]}
    if conv:
        if not isinstance(signature.input, Image):
            raise NotApplicable("convolves pictures only: conv=true has no form for vectors")
        sizes = {**_sizes(signature), **common}
        generator: Any = ConvGenerator(**sizes, noise=noise, embedding=embedding)
        discriminator: Any = ConvDiscriminator(**sizes)
    else:
        common |= {"shape": own["shape"], "embedding": embedding, "depth": depth}
        generator = ClassGenerator(**common, noise=noise, norm=own["norm"])
        discriminator = ClassDiscriminator(**common, dropout=own["dropout"])
    return TwoPlayers(generator=generator, discriminator=discriminator, noise=noise, conditional=True)


def build_sagan(signature: Signature, *, width: int = 64, noise: int = 128, discriminator_steps: int = 1) -> Any:
    """`width`: channels of the discriminator; the generator has twice as many. `discriminator_steps` share out a batch
    before each step of the generator."""
    from .losses import HINGE
    from .sagan import AttentionDiscriminator, AttentionGenerator
    from .two_players_learner import TwoPlayers

    _checked(width=width, noise=noise, discriminator_steps=discriminator_steps)
    num_classes = _num_classes(signature)
    sizes = {**_sizes(signature), "num_classes": num_classes}
    return TwoPlayers(
        generator=AttentionGenerator(**sizes, width=2 * width, noise=noise),
        discriminator=AttentionDiscriminator(**sizes, width=width),
        noise=noise,
        losses=HINGE,
        conditional=num_classes > 0,
        discriminator_steps=discriminator_steps,
    )


def _sizes(signature: Signature) -> dict[str, Any]:
    """Channels and size of the pictures. Raises NotApplicable where they can't be halved."""
    from .dcgan import smallest

    image = signature.input
    assert isinstance(image, Image)
    size = (image.height, image.width)
    try:
        smallest(size)
    except ValueError as reason:
        raise NotApplicable(str(reason)) from None
    return {"channels": image.channels, "size": size}


def _num_classes(signature: Signature) -> int:
    """How many classes can be asked for; 0 where none is."""
    output = signature.output
    return output.num_classes if isinstance(output, ConditionalSample) else 0


def _checked(**options: int) -> None:
    """Raises UsageError for an option below 1."""
    for name, value in options.items():
        if value < 1:
            raise UsageError(f"option {name!r} needs a number of at least 1, not {value}")
