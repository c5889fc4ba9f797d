"""What is declared of models that draw graphs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Graph, ModelSpec, NotApplicable, Sample, Signature, UsageError

from .checks import positive


def build_graphvae(
    signature: Signature, *, width: int = 256, depth: int = 2, latent: int = 32, order: str = "cardinality",
    beta: float = 1.0, greedy: bool = False,
) -> Any:  # fmt: skip
    """`order`: of a graph's nodes: cardinality, bfs, degree or given. `greedy`: samples take the most probable graph of
    a code in place of drawing it."""
    from .dense import ORDERS
    from .graphvae_learner import GraphVAELearner

    if order not in ORDERS:
        raise UsageError(f"option 'order' is {', '.join(ORDERS[:-1])} or {ORDERS[-1]}, not {order!r}")
    positive(width=width, depth=depth, latent=latent)
    kind = signature.input
    return GraphVAELearner(
        features=kind.node_features, edge_features=kind.edge_features, order=order, beta=beta, greedy=greedy,
        nodes_max=_nodes_max(signature), width=width, depth=depth, latent=latent,
    )  # fmt: skip


def build_graphrnn(
    signature: Signature, *, width: int = 64, depth: int = 1, edge_width: int = 16, window: int = 0,
    simple: bool = False,
) -> Any:  # fmt: skip
    """`window`: how many nodes back a node may be joined; 0 for all. `simple`: the edges of a new node are independent
    given the graph so far (GraphRNN-S)."""
    from .graphrnn_learner import GraphRNNLearner

    positive(width=width, depth=depth, edge_width=edge_width)
    if window < 0:
        raise UsageError(f"option 'window' needs a number of at least 0, not {window}")
    kind, nodes_max = signature.input, _nodes_max(signature)
    if kind.node_features > 1 or kind.edge_features:
        raise NotApplicable("knows neither types of nodes nor of edges")
    if nodes_max < 2:
        raise NotApplicable("needs graphs of two nodes or more")
    return GraphRNNLearner(
        nodes_max=nodes_max, width=width, depth=depth, edge_width=edge_width, window=window, simple=simple
    )


def models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="graphvae",
        build=build_graphvae,
        accepts=[(Graph, Sample)],
        family="VAE",
        paper="Simonovsky & Komodakis 2018, GraphVAE: Towards Generation of Small Graphs Using VAEs",
    )
    yield ModelSpec(
        name="graphrnn",
        build=build_graphrnn,
        accepts=[(Graph, Sample)],
        family="RNN",
        paper="You et al. 2018, GraphRNN: Generating Realistic Graphs with Deep Auto-regressive Models",
        recipes={Graph: {"lr": 3e-3}},
    )


def _nodes_max(signature: Signature) -> int:
    """Raises NotApplicable where the task doesn't say how large its graphs are."""
    if signature.input.single or not signature.input.nodes_max:
        raise NotApplicable("needs to know how many nodes a graph has at most (Graph.nodes_max)")
    return int(signature.input.nodes_max)
