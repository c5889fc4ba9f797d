"""Linear and fully connected networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlbench import (
    Classes,
    EdgeClasses,
    Graph,
    Hypergraph,
    Image,
    ModelSpec,
    NodeClasses,
    NodeValue,
    Signature,
    Value,
    Vector,
)

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
) -> nn.Module:
    """`readout`: of whole graphs, `mean` over the nodes where none is given, `sum` or `max`."""
    from .shapes import multilayer

    return multilayer(signature, readout, width=width, depth=depth, dropout=dropout, input_dropout=input_dropout)
