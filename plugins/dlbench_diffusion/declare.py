"""What is declared of variational autoencoders, diffusion and flow matching."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dlbench import ConditionalSample, Image, ModelSpec, NotApplicable, Sample, Signature, UsageError, Vector

KINDS = [(Vector, Sample), (Image, Sample), (Vector, ConditionalSample), (Image, ConditionalSample)]
DIGITS: dict[Any, Any] = {name: {"lr": 4e-3} for name in ("digits_gen", "digits_by_class")}
POINT_WIDTH, PICTURE_WIDTH = 128, 32  # where nobody asks for one


def build_vae(signature: Signature, *, width: int = 256, depth: int = 2, latent: int = 16, beta: float = 1.0) -> Any:
    from .vae_learner import VAE

    with _refusing():
        return VAE(
            shape=_shape(signature), num_classes=_num_classes(signature), width=width, depth=depth, latent=latent,
            beta=beta,
        )  # fmt: skip


def build_ddpm(
    signature: Signature, *, width: int | None = None, depth: int = 4, fourier: int = 32, mults: str | int = "1-2",
    blocks: int = 1, attention: int = 0, dropout: float = 0.0, guidance: float = 0.0, schedule: str | None = None,
    steps: int = 100, predict: str = "v", sampler: str = "ddpm", eta: float = 0.0, sample_steps: int = 0,
    variance: str = "small",
) -> Any:  # fmt: skip
    """For points `width`, `depth` and `fourier` hold, for pictures `width`, `mults`, `blocks`, `attention` and
    `dropout`. `schedule` is log_snr for points, where it is what matters, and cosine for pictures, if none is given."""
    from .ddpm_learner import DDPM

    if schedule is None:
        schedule = "cosine" if isinstance(signature.input, Image) else "log_snr"

    own = {
        "schedule": schedule, "steps": steps, "predict": predict, "sampler": sampler, "eta": eta,
        "sample_steps": sample_steps, "variance": variance,
    }  # fmt: skip
    sizes = {
        "width": width, "depth": depth, "fourier": fourier, "mults": mults, "blocks": blocks, "attention": attention,
        "dropout": dropout,
    }  # fmt: skip
    with _refusing():
        return DDPM(_network(signature, guidance, sizes), **own, **_shared(signature, guidance))


def build_flow_matching(
    signature: Signature, *, width: int | None = None, depth: int = 4, fourier: int = 32, mults: str | int = "1-2",
    blocks: int = 1, attention: int = 0, dropout: float = 0.0, guidance: float = 0.0, steps: int = 50,
    solver: str = "heun",
) -> Any:  # fmt: skip
    """For points `width`, `depth` and `fourier` hold, for pictures `width`, `mults`, `blocks`, `attention` and
    `dropout`."""
    from .flow_learner import FlowMatching

    sizes = {
        "width": width, "depth": depth, "fourier": fourier, "mults": mults, "blocks": blocks, "attention": attention,
        "dropout": dropout,
    }  # fmt: skip
    with _refusing():
        network = _network(signature, guidance, sizes)
        return FlowMatching(network, steps=steps, solver=solver, **_shared(signature, guidance))


def models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="vae",
        build=build_vae,
        accepts=KINDS,
        family="VAE",
        paper="Kingma & Welling 2014, Auto-Encoding Variational Bayes",
        recipes={Image: {"lr": 4e-3, "schedule": "cosine"}},
    )
    averaged = {"lr": 2e-3, "schedule": "cosine", "regularizers": "ema[decay=0.99]"}
    yield ModelSpec(
        name="ddpm",
        build=build_ddpm,
        accepts=KINDS,
        family="diffusion",
        paper="Ho, Jain & Abbeel 2020, Denoising Diffusion Probabilistic Models",
        recipes={Vector: averaged, Image: averaged, **DIGITS},
    )
    yield ModelSpec(
        name="flow_matching",
        build=build_flow_matching,
        accepts=KINDS,
        family="flow",
        paper="Lipman et al. 2023, Flow Matching for Generative Modeling; Liu, Gong & Liu 2023, Flow Straight and Fast",
        recipes={Vector: averaged, Image: averaged, **DIGITS},
    )


@contextmanager
def _refusing() -> Iterator[None]:
    """Turns what a network or a learner says of its options into a UsageError."""
    try:
        yield
    except ValueError as reason:
        raise UsageError(str(reason)) from None


def _shape(signature: Signature) -> tuple[int, ...]:
    kind = signature.input
    return (kind.channels, kind.height, kind.width) if isinstance(kind, Image) else (kind.features,)  # type: ignore[attr-defined]


def _num_classes(signature: Signature) -> int:
    return signature.output.num_classes if isinstance(signature.output, ConditionalSample) else 0


def _shared(signature: Signature, guidance: float) -> dict[str, Any]:
    return {"shape": _shape(signature), "num_classes": _num_classes(signature), "guidance": guidance}


def _network(signature: Signature, guidance: float, sizes: dict[str, Any]) -> Any:
    """For points a perceptron, for pictures a U-Net. Raises NotApplicable where the task has no classes to be guided
    by, and for sides and widths that a U-Net can't have."""
    if guidance < 0:
        raise UsageError(f"option 'guidance' is at least 0, not {guidance}")
    num_classes = _num_classes(signature)
    if guidance and not num_classes:
        raise NotApplicable("guidance needs a task that asks for classes")
    num_classes += bool(guidance)
    kind = signature.input
    if not isinstance(kind, Image):
        from .point_network import PointNetwork

        return PointNetwork(
            features=kind.features, width=_width(sizes, POINT_WIDTH), depth=sizes["depth"],  # type: ignore[attr-defined]
            fourier=sizes["fourier"], num_classes=num_classes,
        )  # fmt: skip
    from .unet import UNet

    mults, width = _mults(sizes["mults"]), _width(sizes, PICTURE_WIDTH)
    halvings = 2 ** (len(mults) - 1)
    if kind.height % halvings or kind.width % halvings:
        raise NotApplicable(f"needs sides divisible by {halvings} for its {len(mults)} levels")
    if width % 4:
        raise NotApplicable("needs a width divisible by 4")
    return UNet(
        channels=kind.channels, side=kind.height, width=width, mults=mults, num_classes=num_classes,
        **{name: sizes[name] for name in ("blocks", "attention", "dropout")},
    )  # fmt: skip


def _mults(text: str | int) -> tuple[int, ...]:
    """`"1-2-2"` or a single number; raises UsageError unless they are above 0."""
    parts = str(text).split("-")
    if not all(part.isdigit() and int(part) for part in parts):
        raise UsageError(f"can't read the mults {text!r}: write a multiple of the width for each level, as in 1-2-2")
    return tuple(int(part) for part in parts)


def _width(sizes: dict[str, Any], usual: int) -> int:
    return usual if sizes["width"] is None else sizes["width"]
