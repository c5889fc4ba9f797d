"""The families of Dwivedi et al. 2023, "Benchmarking Graph Neural Networks": on one graph in the form of the paper that
each comes from, on many in that benchmark's, with the widths of its budget of 100,000 parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from dlbench import ModelSpec, Signature

from ..shared import ON_GRAPHS, Shared, shares

ON_FIRST_LAYER = {"weight_decay": 0, "first.weight_decay": 5e-4}  # as Kipf & Welling 2017
SMALL_STEPS = {"lr": 0.005, "weight_decay": 5e-4}  # as Veličković et al. 2018
CITATION = ("cora", "citeseer", "pubmed")


@shares
def build_gcn(signature: Signature, shared: Shared, *, norm: str | None = None) -> Any:
    """`norm`: `symmetric`, `mean` or `sum`; None: symmetric on one graph, mean on many, as published for each."""
    from ..assemble import assemble
    from ..gcn import GCNLayer

    norm = norm or ("symmetric" if signature.input.single else "mean")
    return assemble(signature, partial(GCNLayer, norm=norm), shared, plain={"width": 16}, deep={"width": 146})


@shares
def build_chebnet(signature: Signature, shared: Shared, *, hops: int = 3) -> Any:
    """`hops`: Chebyshev polynomials of each filter, K. The benchmark has no ChebNet; its width on many graphs is what
    100,000 parameters allow."""
    from ..assemble import assemble
    from ..chebnet import ChebLayer

    return assemble(signature, partial(ChebLayer, hops=hops), shared, plain={"width": 16}, deep={"width": 88})


@shares
def build_graphsage(
    signature: Signature, shared: Shared, *, aggregator: str | None = None, normalize: bool | None = None
) -> Any:
    """`aggregator`: `mean`, `max` or `lstm`. `normalize`: rows of length 1. None: mean and no on one graph, max and yes
    on many, where a rectifier follows before the batch norm, as in the benchmark's code."""
    from ..assemble import assemble
    from ..graphsage import SAGELayer

    single = signature.input.single
    aggregator = aggregator or ("mean" if single else "max")
    normalize = not single if normalize is None else normalize
    layer = partial(SAGELayer, aggregator=aggregator, normalize=normalize, activated=not single)
    return assemble(signature, layer, shared, plain={"width": 64}, deep={"width": 90})


@shares
def build_gat(
    signature: Signature, shared: Shared, *, heads: int = 8, output_heads: int = 1, self_loops: bool | None = None
) -> Any:
    """`heads`, each of `width` units; `output_heads` of the last layer on one graph (published: 8 for PubMed).
    `self_loops`: nodes attend to themselves too; None: on one graph they do, on many not, as published for each."""
    import torch.nn.functional as F

    from ..assemble import assemble
    from ..gat import GATLayer

    single = signature.input.single
    dropout = shared.dropout if shared.dropout is not None else (0.6 if single else 0.0)
    loops = single if self_loops is None else self_loops
    layer = partial(GATLayer, heads=heads, output_heads=output_heads, dropout=dropout, loops=loops)
    return assemble(
        signature, layer, shared, plain={"width": 8, "dropout": dropout}, deep={"width": 18}, activation=F.elu
    )


@shares
def build_gin(signature: Signature, shared: Shared) -> Any:
    """Sums over neighbours and, on many graphs, over nodes, with a linear head for each layer's states."""
    from ..assemble import assemble
    from ..gin import GINLayer

    deep = {"width": 110, "jump": "sum", "readout": "sum"}
    return assemble(signature, GINLayer, shared, plain={"width": 64}, deep=deep)


@shares
def build_monet(signature: Signature, shared: Shared, *, kernels: int = 3) -> Any:
    """`kernels`: Gaussians of each layer."""
    from ..assemble import assemble
    from ..monet import MoNetLayer

    single = signature.input.single
    how = {"aggregation": "mean", "loops": True} if single else {"aggregation": "sum", "loops": False, "project": True}
    layer = partial(MoNetLayer, kernels=kernels, **how)
    return assemble(signature, layer, shared, plain={"width": 16}, deep={"width": 90})


@shares
def build_gatedgcn(signature: Signature, shared: Shared, *, edge_features: bool = True) -> Any:
    """`edge_features`: begin with those that the graphs have, if they have any; else every edge begins alike. On one
    graph the same network, smaller."""
    from ..assemble import COMMON, answering, level_of, outputs_of
    from ..gatedgcn import GatedGCN

    graph = signature.input
    smaller = {"width": 64, "depth": 2, "dropout": 0.5} if graph.single else {}
    network = GatedGCN(
        features=graph.node_features, num_outputs=outputs_of(signature), level=level_of(signature),
        edge_features=graph.edge_features if edge_features else 0, **{**smaller, **shared.given(*COMMON, "readout")},
    )  # fmt: skip
    return answering(network, signature)


def specs() -> Iterable[ModelSpec]:
    for name, (build, paper, recipes) in FAMILIES.items():
        yield ModelSpec(
            name=name,
            build=build,
            accepts=ON_GRAPHS,
            family="GNN",
            paper=paper,
            recipes=recipes,
            preload=("torch_geometric",),
        )


FAMILIES: Mapping[str, tuple[Any, str, Mapping[str, Any]]] = {
    "gcn": (
        build_gcn,
        "Kipf & Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks",
        dict.fromkeys(CITATION, ON_FIRST_LAYER),
    ),
    "chebnet": (
        build_chebnet,
        "Defferrard, Bresson & Vandergheynst 2016, Convolutional Neural Networks on Graphs with Fast Localized "
        "Spectral Filtering",
        dict.fromkeys(CITATION, ON_FIRST_LAYER),
    ),
    "graphsage": (
        build_graphsage,
        "Hamilton, Ying & Leskovec 2017, Inductive Representation Learning on Large Graphs",
        {},
    ),
    "gat": (
        build_gat,
        "Veličković et al. 2018, Graph Attention Networks",
        {"cora": SMALL_STEPS, "citeseer": SMALL_STEPS, "pubmed": {"lr": 0.01, "weight_decay": 1e-3}},
    ),
    "gin": (build_gin, "Xu et al. 2019, How Powerful are Graph Neural Networks?", {}),
    "monet": (
        build_monet,
        "Monti et al. 2017, Geometric Deep Learning on Graphs and Manifolds Using Mixture Model CNNs",
        {},
    ),
    "gatedgcn": (build_gatedgcn, "Bresson & Laurent 2018, Residual Gated Graph ConvNets", {}),
}
