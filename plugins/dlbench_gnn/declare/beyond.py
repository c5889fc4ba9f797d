"""Beyond labelled nodes of plain graphs: hypergraphs, graphs in time, vectors without labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import DynamicGraph, Embedding, Graph, Hypergraph, ModelSpec, NodeClasses, NotApplicable, Signature


def build_hypergcn(
    signature: Signature,
    *,
    width: int = 32,
    depth: int = 2,
    dropout: float = 0.5,
    mediators: bool = True,
    fast: bool = False,
) -> Any:
    from ..hypergcn import HyperGCN

    return HyperGCN(
        features=signature.input.node_features, num_classes=signature.output.num_classes,
        width=width, depth=depth, dropout=dropout, mediators=mediators, fast=fast,
    )  # fmt: skip


def build_gconv_gru(
    signature: Signature, *, width: int = 32, depth: int = 1, dropout: float = 0.0, aggregation: str = "sum"
) -> Any:
    """`aggregation`: `sum`, `mean` or `max`."""
    from ..gconv_gru import GConvGRU

    return GConvGRU(
        features=signature.input.node_features, num_classes=signature.output.num_classes,
        width=width, depth=depth, dropout=dropout, aggregation=aggregation,
    )  # fmt: skip


def build_dgi(signature: Signature, *, width: int = 512, depth: int = 1) -> Any:
    if signature.output.level != "nodes":
        raise NotApplicable("makes vectors of nodes, and whole graphs are asked for")
    from ..dgi import DGI

    return DGI(features=signature.input.node_features, width=width, depth=depth)


def build_infograph(signature: Signature, *, width: int = 32, depth: int = 5) -> Any:
    if signature.output.level != "graphs":
        raise NotApplicable("makes vectors of whole graphs, and nodes are asked for")
    from ..infograph import InfoGraph

    return InfoGraph(features=signature.input.node_features, width=width, depth=depth)


def specs() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="hypergcn",
        build=build_hypergcn,
        accepts=[(Hypergraph, NodeClasses)],
        family="GNN",
        paper="Yadati et al. 2019, HyperGCN: A New Method of Training Graph Convolutional Networks on Hypergraphs",
    )
    yield ModelSpec(
        name="gconv_gru",
        build=build_gconv_gru,
        accepts=[(DynamicGraph, NodeClasses)],
        family="GNN",
        paper="Seo et al. 2018, Structured Sequence Modeling with Graph Convolutional Recurrent Networks",
    )
    yield ModelSpec(
        name="dgi",
        build=build_dgi,
        accepts=[(Graph, Embedding)],
        family="GNN",
        paper="Veličković et al. 2019, Deep Graph Infomax",
    )
    yield ModelSpec(
        name="infograph",
        build=build_infograph,
        accepts=[(Graph, Embedding)],
        family="GNN",
        paper="Sun et al. 2020, InfoGraph: Unsupervised and Semi-supervised Graph-Level Representation Learning via "
        "Mutual Information Maximization",
        preload=("torch_geometric",),
    )
