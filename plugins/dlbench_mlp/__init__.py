"""Linear and fully connected networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlbench import Classes, Graph, Image, ModelSpec, NodeClasses, Signature, Value, Vector

if TYPE_CHECKING:
    from torch import nn


def dlbench_models() -> Iterator[ModelSpec]:
    """`perceptron` and `mlp`."""
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
        accepts=[(Image, Classes), (Vector, Classes), (Vector, Value), (Graph, NodeClasses)],
        family="MLP",
        paper="Rumelhart, Hinton and Williams 1986, Learning Representations by Back-Propagating Errors",
    )


def _build_perceptron(signature: Signature) -> nn.Module:
    from .perceptron import Perceptron
    from .shapes import fit

    features, num_classes = _sizes(signature)
    return fit(Perceptron(features=features, num_classes=num_classes), signature)


def _build_mlp(signature: Signature, *, width: int = 256, depth: int = 2, dropout: float = 0.0) -> nn.Module:
    from .mlp import MLP
    from .shapes import fit

    features, num_classes = _sizes(signature)
    network = MLP(features=features, num_classes=num_classes, width=width, depth=depth, dropout=dropout)
    return fit(network, signature)


def _sizes(signature: Signature) -> tuple[int, int]:
    """How many numbers go in and how many come out."""
    kind, output = signature.input, signature.output
    if isinstance(kind, Image):
        features = kind.channels * kind.height * kind.width
    else:
        features = kind.node_features if isinstance(kind, Graph) else kind.features
    return features, 1 if isinstance(output, Value) else output.num_classes
