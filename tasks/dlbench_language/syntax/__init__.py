"""Sentences as tokens and as graphs: names, roles of arguments, relations of nominals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Classes, Metric, Reference, SyntaxGraph, TaskSpec, WordTags
from dlbench.data import Data

from .files import PROPBANK, SEMEVAL, UNER, WNUT

LOSS = Metric(name="loss", unit="nats", higher_is_better=False)
SPANS: dict[str, Any] = {
    "input_kind": SyntaxGraph, "output_kind": WordTags, "unit": "words", "metric": Metric(name="f1"),
    "metrics": (Metric(name="precision"), Metric(name="recall"), Metric(name="accuracy"), LOSS),
    "floor": 0.0,  # O, the most frequent tag, opens no span
}  # fmt: skip
RECIPE = {"optimizer": "adam", "lr": 4e-3, "schedule": "cosine", "batch_size": 32, "budget.epochs": 8}
NAMES = {**RECIPE, "lr": 3e-3, "batch_size": 16}


def treatment(lower: bool, word_dropout: float, bucket: bool) -> Any:
    from ..labelling.tagged import Treatment

    normal = str.lower if lower else str
    return Treatment(normal=normal, characters=True, word_dropout=word_dropout, bucket=bucket)


def load_uner(
    data: Data, *, edges: str = "tree", lower: bool = True, word_dropout: float = 0.5, bucket: bool = True
) -> Any:
    """`edges`: `tree`, `chain` (each word on the one before it), `both`, `shuffled` (the tree on words in a random
    order), or `none`. `lower`: words that differ in case alone are one; their spelling keeps it. `bucket=false` fills
    every batch up to the longest sentence."""
    from .entities import load_uner as load

    return load(data, edges=edges, treatment=treatment(lower, word_dropout, bucket))


def load_wnut17(
    data: Data, *, edges: str = "chain", lower: bool = True, word_dropout: float = 0.5, bucket: bool = True
) -> Any:
    """`edges`: `chain` or `none`, as there are no trees. The others: as for `uner`."""
    from .entities import load_wnut17 as load

    return load(data, edges=edges, treatment=treatment(lower, word_dropout, bucket))


def load_propbank_roles(
    data: Data, *, edges: str = "tree", num_train: int = 0, lower: bool = True, word_dropout: float = 0.5,
    bucket: bool = True,
) -> Any:  # fmt: skip
    """`num_train`: so many of the 40,424 training predicates, drawn once; 0: all of them. The others: as for `uner`."""
    from .roles import load

    return load(data, edges=edges, num_train=num_train, treatment=treatment(lower, word_dropout, bucket))


def load_semeval_relations(
    data: Data, *, edges: str = "chain", around: int | None = None, whole: bool = False, lower: bool = True,
    word_dropout: float = 0.5, bucket: bool = True,
) -> Any:  # fmt: skip
    """`edges`: `chain` or `none`, as there are no trees. `around`: how many words stay before the first nominal and
    after the second; none: all. `whole`: training has all 8,000 published sentences, those of
    validation too, as in the published figures. The others: as for `uner`."""
    from .relations import load

    return load(data, edges=edges, around=around, whole=whole, treatment=treatment(lower, word_dropout, bucket))


def relation_flags(*, whole: bool = False, **_: Any) -> tuple[str, ...]:
    return ("trains_on_val",) if whole else ()


def tasks() -> Iterable[TaskSpec]:
    yield from _names()
    yield TaskSpec(
        **SPANS,
        name="propbank_roles",
        load=load_propbank_roles,
        recipe=RECIPE,
        data=PROPBANK,
        description="The arguments of 40,424 / 4,963 / 4,795 predicates in the English Web Treebank, 59 roles, each "
        "predicate given by a marker before it; F1 over spans, with the trees of people",
    )
    yield _relations()


def _names() -> Iterable[TaskSpec]:
    yield TaskSpec(
        **SPANS,
        name="uner",
        load=load_uner,
        recipe=NAMES,
        data=UNER,
        description="Persons, places and organisations in the English Web Treebank, 12,543 / 2,001 / 2,077 sentences "
        "with their trees; F1 over spans",
    )
    yield TaskSpec(
        **SPANS,
        name="wnut17",
        load=load_wnut17,
        reference=Reference(
            value=0.4186,
            source="the best system of the shared task, with vectors and lists of names made elsewhere: Aguilar et al. "
            "2017, A Multi-task Approach for Named Entity Recognition in Social Media Data",
        ),
        recipe=NAMES,
        data=WNUT,
        description="Emerging names of six types in 3,394 / 1,009 / 1,287 posts, none of which training shows; F1 over "
        "spans; there are no trees, words hang in a chain",
    )


def _relations() -> TaskSpec:
    return TaskSpec(
        name="semeval_relations",
        input_kind=SyntaxGraph,
        output_kind=Classes,
        load=load_semeval_relations,
        unit="sentences",
        metric=Metric(name="macro_f1"),
        metrics=(Metric(name="accuracy"), LOSS),
        floor=0.0,  # Other, the most frequent class, is no relation
        reference=Reference(
            value=0.827,
            source="convolutions over words, positions and WordNet, on all 8,000 sentences, with vectors trained "
            "elsewhere: Zeng et al. 2014, Relation Classification via Convolutional Deep Neural Network",
        ),
        recipe={**RECIPE, "lr": 2e-3, "budget.epochs": 12},
        flags=relation_flags,
        data=SEMEVAL,
        preload=("sklearn.model_selection",),
        description="How two marked nominals are related, nine relations with directions and Other: 7,200 / 800 / "
        "2,717 sentences; there are no trees, words hang in a chain",
    )
