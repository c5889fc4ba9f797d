"""Knowledge graphs, of which ends of triples are asked for: UMLS's semantic network, and made families."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import KnowledgeGraph, Links, Metric, Reference, TaskSpec
from dlbench.data import Data

from .files import FOLDER, PACKAGE, UMLS

METRICS = (
    *(Metric(name=name) for name in ("hits_at_1", "hits_at_3", "hits_at_10", "mrr_tails", "mrr_heads")),
    Metric(name="mean_rank", unit="rank", higher_is_better=False),
    Metric(name="loss", unit="nats", higher_is_better=False),
)
RECIPE = {"optimizer": "adam", "lr": 0.01, "batch_size": 256, "budget.epochs": 100}


def load_umls(data: Data) -> Any:
    from dlbench.data import at_hand

    from .triples import link_files

    folder = FOLDER if at_hand(UMLS, data.root) is UMLS else PACKAGE
    return link_files(data, *(f"{folder}/{split}.txt" for split in ("train", "valid", "test")))


def load_families(data: Data, *, families: int = 6, generations: int = 4, inverses: bool = True) -> Any:
    """`families`: trees that share no one. `generations`: 3 to 6 of each. `inverses`: also child, grandchild and
    nephew; without, nothing follows from a fact alone."""
    from .families import make_task

    return make_task(families=families, generations=generations, inverses=inverses, device=data.device)


def specs() -> Iterable[TaskSpec]:
    shared: dict[str, Any] = {
        "input_kind": KnowledgeGraph,
        "output_kind": Links,
        "unit": "triples",
        "metric": Metric(name="mrr"),
        "metrics": METRICS,
        "recipe": RECIPE,
    }
    yield TaskSpec(
        name="umls_links",
        load=load_umls,
        data=UMLS,
        floor=0.3388094617547826,
        reference=Reference(value=0.94, source="ConvE, readme of https://github.com/TimDettmers/ConvE"),
        description="Which types of medical things stand in a relation? Both ends of 661 test triples of the UMLS "
        "Semantic Network, 135 types and 46 relations, 5,216 triples to learn from; filtered ranks",
        **shared,
    )
    yield TaskSpec(
        name="family_links",
        load=load_families,
        floor=0.0411088900436896,
        bound=1.0,  # all of it follows from what is known, in one step
        description="Who is whose cousin? Generated families of four generations and eight relations that follow from "
        "each other, a tenth of the facts left out for each of validation and test; filtered ranks",
        **shared,
    )
