"""What is declared of baselines that draw examples: `noise`, `bootstrap`, `gaussian`, `kde`, `vmf_kde`. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dlbench import (
    ConditionalSample,
    Graph,
    Image,
    Kind,
    ModelSpec,
    NotApplicable,
    Sample,
    Settings,
    Signature,
    Tokens,
    UsageError,
    Vector,
)

from . import declare_translations

if TYPE_CHECKING:
    from .samples import Bootstrap, Gaussian, KernelDensity, Noise

NUMBERS = [(Vector, Sample), (Image, Sample), (Vector, ConditionalSample), (Image, ConditionalSample)]


def models(recipes: Mapping[str | type[Kind], Settings]) -> Iterable[ModelSpec]:
    """`recipes`: how a model that only counts is trained."""
    yield ModelSpec(name="noise", build=build_noise, accepts=NUMBERS, family="Baseline", recipes=recipes)
    yield ModelSpec(
        name="bootstrap",
        build=build_bootstrap,
        accepts=[*NUMBERS, (Tokens, Sample), (Graph, Sample)],
        family="Baseline",
        paper="Efron 1979, Bootstrap Methods: Another Look at the Jackknife",
        recipes=recipes,
    )
    yield ModelSpec(name="gaussian", build=build_gaussian, accepts=NUMBERS, family="Baseline", recipes=recipes)
    yield ModelSpec(
        name="kde",
        build=build_kde,
        accepts=NUMBERS,
        family="Baseline",
        paper="Parzen 1962, On Estimation of a Probability Density Function and Mode",
        recipes=recipes,
    )
    yield ModelSpec(
        name="vmf_kde",
        build=build_vmf_kde,
        accepts=[(Vector, Sample)],
        family="Baseline",
        paper="Hall, Watson and Cabrera 1987, Kernel Density Estimation with Spherical Data",
        recipes=recipes,
    )
    yield from declare_translations.models(recipes)


def build_noise(signature: Signature) -> Noise:
    from .samples import Noise

    return Noise(shape=_shape(signature), uniform=isinstance(signature.input, Image))


def build_bootstrap(signature: Signature) -> Bootstrap:
    from .samples import Bootstrap

    return Bootstrap(blank=_blank(signature))


def build_gaussian(signature: Signature) -> Gaussian:
    from .samples import Gaussian

    return Gaussian(blank=_blank(signature))


def build_kde(signature: Signature, *, width: float = 0.1) -> KernelDensity:
    """`width`: the standard deviation of the noise, in units of the data."""
    if not 0 <= width < float("inf"):
        raise UsageError(f"kde needs a width of at least 0, not {width}")
    from .samples import KernelDensity

    return KernelDensity(blank=_blank(signature), width=width)


def _shape(signature: Signature) -> tuple[int, ...]:
    """Of an example that is a tensor."""
    kind = signature.input
    return (kind.channels, kind.height, kind.width) if isinstance(kind, Image) else (kind.features,)


def _blank(signature: Signature) -> Any:
    """One example of zeros: a word of one token, a graph of one node."""
    import torch

    from dlbench import GraphBatch, TokenBatch

    kind = signature.input
    if isinstance(kind, Tokens):
        return TokenBatch(torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, dtype=torch.int64))
    if isinstance(kind, Graph):
        features = torch.zeros(0, kind.edge_features) if kind.edge_features else None
        nowhere = torch.zeros(2, 0, dtype=torch.int64)
        return GraphBatch(torch.zeros(1, kind.node_features), nowhere, features, torch.zeros(1, dtype=torch.int64), 1)
    return torch.zeros(1, *_shape(signature))


def build_vmf_kde(signature: Signature) -> Any:
    if signature.input.features != 3:
        raise NotApplicable(f"needs points of a sphere, 3 numbers each, not {signature.input.features}")
    from .sphere import SphereKDE

    return SphereKDE()
