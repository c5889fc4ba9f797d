"""Linear and fully connected networks, MLP-Mixer, and a single point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from dlbench import (
    Classes,
    EdgeClasses,
    Graph,
    Hypergraph,
    Image,
    ModelSpec,
    NodeClasses,
    NodeValue,
    NotApplicable,
    Objective,
    Signature,
    Value,
    Vector,
)

if TYPE_CHECKING:
    from torch import nn


def dlbench_models() -> Iterator[ModelSpec]:
    """`perceptron`, `mlp`, `mlp_mixer` for images, and `point` for functions to be minimized."""
    yield ModelSpec(
        name="perceptron",
        build=_build_perceptron,
        accepts=[(Image, Classes), (Vector, Classes), (Vector, Value)],
        family="MLP",
        paper="Rosenblatt 1958, The Perceptron: A Probabilistic Model for Information Storage and Organization in the "
        "Brain",
    )
    yield ModelSpec(
        name="mlp",
        build=_build_mlp,
        accepts=[
            (Image, Classes),
            (Vector, Classes),
            (Vector, Value),
            (Graph, NodeClasses),
            (Graph, NodeValue),
            (Graph, Classes),
            (Graph, Value),
            (Graph, EdgeClasses),
            (Hypergraph, NodeClasses),
            (Hypergraph, NodeValue),
        ],
        family="MLP",
        paper="Rumelhart, Hinton and Williams 1986, Learning Representations by Back-Propagating Errors",
    )
    yield ModelSpec(
        name="mlp_mixer",
        build=_build_mlp_mixer,
        accepts=[(Image, Classes)],
        family="MLP",
        paper="Tolstikhin, Houlsby, Kolesnikov, Beyer, Zhai and others 2021, MLP-Mixer: An all-MLP Architecture for "
        "Vision",
    )
    yield ModelSpec(name="point", build=_build_point, accepts=[(Vector, Objective)], family="Point")


def _build_perceptron(signature: Signature) -> nn.Module:
    from .perceptron import Perceptron
    from .shapes import fit, sizes

    features, num_classes = sizes(signature)
    return fit(Perceptron(features=features, num_classes=num_classes), signature)


def _build_mlp(
    signature: Signature,
    *,
    width: int = 256,
    depth: int = 2,
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    readout: str | None = None,
    norm: Literal["batch", "layer", "group"] | None = None,
) -> nn.Module:
    """`norm`: before each rectifier, none where none is given. `readout`: of whole graphs, `mean` over the nodes where
    none is given, `sum` or `max`."""
    from .shapes import multilayer

    return multilayer(
        signature, readout, width=width, depth=depth, dropout=dropout, input_dropout=input_dropout, norm=norm
    )


def _build_mlp_mixer(
    signature: Signature, *, patch: int | None = None, width: int = 64, depth: int = 4, dropout: float = 0.0
) -> nn.Module:
    """Raises NotApplicable where `patch` doesn't divide the sides."""
    from .mlp_mixer import MLPMixer

    image, classes = signature.input, signature.output
    assert isinstance(image, Image)
    assert isinstance(classes, Classes)
    if patch is not None and (patch < 1 or image.height % patch or image.width % patch):
        raise NotApplicable(f"needs an image with sides divisible by {patch}, not {image.height}x{image.width}")
    return MLPMixer(
        channels=image.channels, size=(image.height, image.width), num_classes=classes.num_classes, patch=patch,
        width=width, depth=depth, dropout=dropout,
    )  # fmt: skip


def _build_point(signature: Signature) -> nn.Module:
    """It begins where the task says."""
    from .point import Point

    return Point(start=signature.output.start)
