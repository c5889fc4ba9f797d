"""Graph neural networks on PyTorch Geometric's layers: `gcn`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Graph, ModelSpec, NodeClasses, Signature


def build_gcn(signature: Signature, *, width: int = 16, depth: int = 2, dropout: float = 0.5) -> Any:
    from .gcn import GCN

    return GCN(
        features=signature.input.node_features,
        num_classes=signature.output.num_classes,
        width=width,
        depth=depth,
        dropout=dropout,
    )


def dlbench_models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="gcn",
        build=build_gcn,
        accepts=[(Graph, NodeClasses)],
        family="GNN",
        paper="Kipf & Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks",
        preload=("torch_geometric",),
    )
