"""Baselines on whole graphs that don't see how nodes are joined: `graph_size`, `fingerprint`. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlbench import Classes, Graph, ModelSpec, NotApplicable, Signature, Value

if TYPE_CHECKING:
    from torch import nn

ERRICA = "Errica et al. 2020, A Fair Comparison of Graph Neural Networks for Graph Classification"


def models() -> Iterator[ModelSpec]:
    """Both are trained by the task's recipe."""
    accepts = [(Graph, Classes), (Graph, Value)]
    yield ModelSpec(
        name="graph_size",
        build=build_graph_size,
        accepts=accepts,
        family="Baseline",
        paper="Luzhnica et al. 2019, On Graph Classification Networks, Datasets and Baselines",
    )
    yield ModelSpec(name="fingerprint", build=build_fingerprint, accepts=accepts, family="Baseline", paper=ERRICA)


def build_graph_size(signature: Signature, *, width: int = 64, dropout: float = 0.0) -> nn.Module:
    from .graph_size import GraphSize

    return _answering(GraphSize(num_outputs=_outputs(signature), width=width, dropout=dropout), signature)


def build_fingerprint(signature: Signature, *, width: int = 64, dropout: float = 0.0) -> nn.Module:
    """Positional encodings are left out: they tell of the edges."""
    from .fingerprint import Fingerprint

    features = signature.input.node_features - signature.input.positions
    if features < 1:
        raise NotApplicable("needs node features beside positions")
    network = Fingerprint(features=features, num_outputs=_outputs(signature), width=width, dropout=dropout)
    return _answering(network, signature)


def _outputs(signature: Signature) -> int:
    return 1 if isinstance(signature.output, Value) else int(signature.output.num_classes)


def _answering(network: nn.Module, signature: Signature) -> nn.Module:
    from torch import nn

    return nn.Sequential(network, nn.Flatten(start_dim=0)) if isinstance(signature.output, Value) else network
