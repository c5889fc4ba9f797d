"""One graph with labelled nodes: the karate club, citations, web pages, a hypergraph of authors, and a linear probe."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dlbench import DataSet, Embedding, Graph, Hypergraph, Metric, NodeClasses, Reference, TaskSpec
from dlbench.data import Data

ACCURACY = Metric(name="accuracy")
LOSS = Metric(name="loss", unit="nats", higher_is_better=False)
RECIPE = {"optimizer": "adam", "lr": 0.01, "weight_decay": 5e-4, "budget.epochs": 200}
GCN = "Kipf & Welling 2017, Semi-Supervised Classification with Graph Convolutional Networks"
GCN_ON_WEBKB = "GCN on these ten splits: Zhu et al. 2020, Beyond Homophily in Graph Neural Networks"


def load_karate(data: Data, *, groups: int = 2) -> Any:
    from .karate import load

    return load(groups=groups, device=data.device)


def load_cora(
    data: Data, *, features: str = "csr", sampler: str = "full", hops: int = 2, fanout: int | None = None
) -> Any:
    from .planetoid import load

    return load(data, name="cora", features=features, sampler=sampler, hops=hops, fanout=fanout)


def load_citeseer(
    data: Data, *, features: str = "csr", sampler: str = "full", hops: int = 2, fanout: int | None = None
) -> Any:
    from .planetoid import load

    return load(data, name="citeseer", features=features, sampler=sampler, hops=hops, fanout=fanout)


def load_pubmed(
    data: Data, *, features: str = "csr", sampler: str = "full", hops: int = 2, fanout: int | None = None
) -> Any:
    from .planetoid import load

    return load(data, name="pubmed", features=features, sampler=sampler, hops=hops, fanout=fanout)


def load_cornell(data: Data, *, features: str = "csr", directed: bool = False) -> Any:
    from .webkb import load

    return load(data, name="cornell", features=features, directed=directed)


def load_texas(data: Data, *, features: str = "csr", directed: bool = False) -> Any:
    from .webkb import load

    return load(data, name="texas", features=features, directed=directed)


def load_wisconsin(data: Data, *, features: str = "csr", directed: bool = False) -> Any:
    from .webkb import load

    return load(data, name="wisconsin", features=features, directed=directed)


def load_cora_coauthorship(data: Data, *, features: str = "csr") -> Any:
    from .coauthorship import load

    return load(data, features=features)


def load_cora_probe(data: Data, *, features: str = "csr") -> Any:
    from .probe import load_cora

    return load_cora(data, features=features)


def specs() -> Iterable[TaskSpec]:
    """The tasks of this room."""
    yield _karate()
    yield from _planetoid()
    yield from _webkb()
    yield _cora_coauthorship()
    yield _cora_probe()


def _karate() -> TaskSpec:
    return TaskSpec(
        name="karate",
        input_kind=Graph,
        output_kind=NodeClasses,
        load=load_karate,
        unit="nodes",
        metric=ACCURACY,
        metrics=(LOSS,),
        monitor="loss",
        floor=0.5,  # each club got 12 of the 24 members of the test
        recipe=RECIPE,
        preload=("sklearn.model_selection",),
        description="Zachary's karate club: 34 members, 78 friendships, 2 clubs, one labelled member of each; groups=4 "
        "asks for four communities instead",
    )


def _planetoid() -> Iterable[TaskSpec]:
    from .files import CITESEER, CORA, PUBMED

    yield _citations(
        load_cora, CORA, 130 / 1000, 0.815, "2,708 papers on machine learning, 5,278 citations, 7 fields, 140 labelled"
    )
    yield _citations(load_citeseer, CITESEER, 77 / 1000, 0.703, "3,327 papers, 4,552 citations, 6 fields, 120 labelled")
    yield _citations(
        load_pubmed, PUBMED, 180 / 1000, 0.790, "19,717 papers on diabetes, 44,324 citations, 3 kinds, 60 labelled"
    )


def _citations(load: Callable[..., Any], files: DataSet, floor: float, reference: float, description: str) -> TaskSpec:
    """`floor`: all classes have 20 labelled papers, so the constant model takes the first class of the test."""
    return TaskSpec(
        name=files.name,
        input_kind=Graph,
        output_kind=NodeClasses,
        load=load,
        unit="nodes",
        metric=ACCURACY,
        metrics=(LOSS,),
        monitor="loss",
        floor=floor,
        reference=Reference(value=reference, source=f"GCN on the public split, mean of 100 runs: {GCN}"),
        recipe=RECIPE,
        data=files,
        preload=("scipy.sparse",),
        description=f"{description}; the public split with 500 papers for validation and 1,000 for the test",
    )


def _webkb() -> Iterable[TaskSpec]:
    from .files import CORNELL, TEXAS, WISCONSIN

    yield _web_pages(load_cornell, CORNELL, 218 / 370, 0.5703, "183 web pages of Cornell's computer science department")
    yield _web_pages(load_texas, TEXAS, 218 / 370, 0.5946, "183 web pages of the computer science department of Texas")
    yield _web_pages(
        load_wisconsin, WISCONSIN, 245 / 510, 0.5980, "251 web pages of Wisconsin's computer science department"
    )


def _web_pages(load: Callable[..., Any], files: DataSet, floor: float, reference: float, text: str) -> TaskSpec:
    """`floor`: the mean over the folds of the share that the training split's most frequent class has of the test."""
    return TaskSpec(
        name=files.name,
        input_kind=Graph,
        output_kind=NodeClasses,
        load=load,
        unit="nodes",
        metric=ACCURACY,
        metrics=(LOSS,),
        monitor="loss",
        floor=floor,
        reference=Reference(value=reference, source=GCN_ON_WEBKB),
        recipe=RECIPE,
        folds=10,
        data=files,
        preload=("scipy.sparse",),
        description=f"{text} in 5 classes, which link mostly to pages of other classes; ten published splits",
    )


def _cora_coauthorship() -> TaskSpec:
    from .files import CORA_COAUTHORSHIP

    return TaskSpec(
        name="cora_coauthorship",
        input_kind=Hypergraph,
        output_kind=NodeClasses,
        load=load_cora_coauthorship,
        unit="nodes",
        metric=ACCURACY,
        metrics=(LOSS,),
        floor=398 / 2568,  # every split labels 20 papers of each class; the first has 398 others
        reference=Reference(
            value=0.6992,
            source="HyperGCN (error 30.08 %; the figure is not checked): Yadati et al. 2019, HyperGCN: A New Method of "
            "Training Graph Convolutional Networks on Hypergraphs",
        ),
        recipe={**RECIPE, "select": "last"},
        folds=10,
        data=CORA_COAUTHORSHIP,
        preload=("scipy.sparse",),
        description="2,708 papers, each of 1,072 authors a hyperedge; 140 labelled, all others the test, ten published "
        "splits; no validation set: the state after the last epoch is judged, and val shows the training nodes",
    )


def _cora_probe() -> TaskSpec:
    from .files import CORA

    return TaskSpec(
        name="cora_probe",
        input_kind=Graph,
        output_kind=Embedding,
        load=load_cora_probe,
        unit="nodes",
        metric=ACCURACY,
        floor=130 / 1000,
        reference=Reference(
            value=0.823,
            source="DGI with 512 units and a logistic regression: Veličković et al. 2019, Deep Graph Infomax",
        ),
        # As published, but for the end: it stops 20 epochs after the lowest training loss. Here the probe's accuracy on
        # validation picks the state.
        recipe={"optimizer": "adam", "lr": 1e-3, "budget.epochs": 300, "evaluate_every": 20},
        data=CORA,
        preload=("scipy.sparse", "sklearn.linear_model"),
        description="Cora without labels in training; vectors of its nodes are judged by a logistic regression fitted "
        "on the 140 labelled papers",
    )
