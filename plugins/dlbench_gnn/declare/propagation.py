"""Networks that spread states by fixed matrices, or the same way in all steps: `nn4g`, `dcnn`, `dgc`, `sgc`, `appnp`,
`gcnii`, `ggnn`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from dlbench import ModelSpec, Signature

from ..shared import ON_GRAPHS, Shared, shares

PLANETOID = ("cora", "citeseer", "pubmed")


def fit(signature: Signature, network: Callable[..., Any], **options: Any) -> Any:
    """A network of the signature's sizes."""
    from ..assemble import answering, level_of, outputs_of

    sizes = {"features": signature.input.node_features, "num_outputs": outputs_of(signature)}
    return answering(network(**sizes, level=level_of(signature), **options), signature)


def build_nn4g(
    signature: Signature, *, width: int = 32, depth: int = 4, dropout: float = 0.0, readout: str = "mean"
) -> Any:
    """`width`: units of each layer."""
    from ..nn4g import NN4G

    return fit(signature, NN4G, width=width, depth=depth, dropout=dropout, readout=readout)


def build_dcnn(signature: Signature, *, hops: int = 2, dropout: float = 0.0) -> Any:
    """`hops`: the longest walk."""
    from ..dcnn import DCNN

    return fit(signature, DCNN, hops=hops, dropout=dropout)


@shares
def build_dgc(signature: Signature, shared: Shared, *, hops: int = 2) -> Any:
    """`hops`: the longest walk."""
    from ..assemble import assemble
    from ..dgc import DGCLayer

    return assemble(signature, partial(DGCLayer, hops=hops), shared, plain={"width": 16}, deep={"width": 70})


def build_sgc(signature: Signature, *, hops: int = 2, readout: str = "mean") -> Any:
    """`hops`: how often the features are propagated."""
    from ..sgc import SGC

    return fit(signature, SGC, hops=hops, readout=readout)


def build_appnp(
    signature: Signature,
    *,
    width: int = 64,
    depth: int = 2,
    dropout: float = 0.5,
    edge_dropout: float | None = None,
    hops: int = 10,
    teleport: float = 0.1,
    readout: str = "mean",
) -> Any:
    """`edge_dropout`: None: as `dropout`. `hops`: steps of the walk. `teleport`: the chance to return at each."""
    from ..appnp import APPNP

    return fit(
        signature, APPNP, width=width, depth=depth, dropout=dropout, edge_dropout=edge_dropout, hops=hops,
        teleport=teleport, readout=readout,
    )  # fmt: skip


def build_gcnii(
    signature: Signature,
    *,
    width: int = 64,
    depth: int = 64,
    dropout: float = 0.6,
    alpha: float = 0.1,
    theta: float = 0.5,
    readout: str = "mean",
) -> Any:
    """`alpha`: the share of the first state in each layer. `theta`: how much of its own weights a layer uses. The
    defaults are the paper's for Cora; where links join unlike nodes it has others, such as depth 16, alpha 0.5, theta
    1, dropout 0.5 for Cornell."""
    from ..gcnii import GCNII

    return fit(
        signature, GCNII, width=width, depth=depth, dropout=dropout, alpha=alpha, theta=theta, readout=readout
    )  # fmt: skip


def build_ggnn(
    signature: Signature, *, width: int = 64, depth: int = 4, dropout: float = 0.0, directed: bool = False
) -> Any:
    """`depth`: steps. `directed`: messages also against the edges."""
    from ..ggnn import GGNN

    return fit(signature, GGNN, width=width, depth=depth, dropout=dropout, directed=directed)


def specs() -> Iterable[ModelSpec]:
    yield _spec("nn4g", build_nn4g, "Micheli 2009, Neural Network for Graphs: A Contextual Constructive Approach")
    yield _spec("dcnn", build_dcnn, "Atwood & Towsley 2016, Diffusion-Convolutional Neural Networks")
    yield _spec(
        "dgc",
        build_dgc,
        "Li et al. 2018, Diffusion Convolutional Recurrent Neural Network: Data-Driven Traffic Forecasting",
        recipe={"weight_decay": 0, "first.weight_decay": 5e-4},
    )
    yield _spec(
        "sgc",
        build_sgc,
        "Wu et al. 2019, Simplifying Graph Convolutional Networks",
        recipe={"lr": 0.2, "weight_decay": 5e-6},
    )
    yield _spec(
        "appnp",
        build_appnp,
        "Klicpera et al. 2019, Predict then Propagate: Graph Neural Networks meet Personalized PageRank",
        recipe={"lr": 0.01, "weight_decay": 0, "first.weight_decay": 5e-4},
    )
    yield _spec(
        "gcnii",
        build_gcnii,
        "Chen et al. 2020, Simple and Deep Graph Convolutional Networks",
        recipe={"lr": 0.01, "convolutions.weight_decay": 0.01, "dense.weight_decay": 5e-4},
    )
    yield _spec("ggnn", build_ggnn, "Li et al. 2016, Gated Graph Sequence Neural Networks")


def _spec(name: str, build: Callable[..., Any], paper: str, recipe: dict[str, Any] | None = None) -> ModelSpec:
    """A model on graphs; `recipe` for the three citation graphs."""
    recipes = dict.fromkeys(PLANETOID, recipe) if recipe else {}
    return ModelSpec(
        name=name, build=build, accepts=ON_GRAPHS, family="GNN", paper=paper, recipes=recipes,
        preload=("torch_geometric",),
    )  # fmt: skip
