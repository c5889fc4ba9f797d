"""Molecules drawn anew, as SMILES strings (`qm9_smiles`, `zinc_smiles`, `moses_smiles`) and as graphs (`qm9_gen`,
`zinc_gen`, `moses_gen`). They need RDKit, the extra `molecules`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from dlbench import Block, Graph, Metric, ProfileProtocol, Sample, Suite, TaskSpec, Tokens
from dlbench.data import Data

from . import files

DISTINCT, NEW = Metric(name="distinct_molecules"), Metric(name="new_molecules")
SHARES = ("valid", "connected", "unique", "novel")
FLOORS = ("valid_floor", "distinct_molecules_floor", "new_molecules_floor")
FAR = {"unit": "sd", "higher_is_better": False}
STRINGS = {
    "optimizer": "adam",
    "lr": 3e-3,
    "schedule": "cosine",
    "batch_size": 32,
    "budget.steps": 1900,
    "evaluate_every": 475,
}
GRAPHS = {
    "optimizer": "adam",
    "lr": 1e-3,
    "schedule": "cosine",
    "batch_size": 64,
    "budget.steps": 1000,
    "evaluate_every": 250,
}
ONCE = {"budget.epochs": 1, "batch_size": 500, "evaluate_every": 1}
VAE = "graphvae[order=given,beta=0.1,width=512]"


def load_strings(data: Data, *, source: str) -> Any:
    from .readers import SOURCES
    from .strings import SmilesStrings

    chosen = SOURCES[source]
    return SmilesStrings(chosen.read(data), cache=data.cache, scaffolds=chosen.scaffolds, device=data.device)


def load_graphs(data: Data, *, source: str) -> Any:
    from .graphs import MoleculeGraphs
    from .readers import SOURCES

    chosen = SOURCES[source]
    return MoleculeGraphs(chosen.read(data), cache=data.cache, scaffolds=chosen.scaffolds, device=data.device)


def specs() -> Iterable[TaskSpec]:
    for name, data, ranks, text in (
        ("qm9", files.QM9, DISTINCT, "The 133,885 molecules of QM9, of at most 9 atoms of C, N, O and F. Novelty isn't "
         "ranked: the set holds nearly all molecules of its kind, and true samples would have a fifth that is new"),
        ("zinc", files.ZINC, NEW, "12,000 drug-like molecules of ZINC, of at most 38 atoms"),
        ("moses", files.MOSES, NEW, "A tenth of the drug-like molecules of MOSES, of at most 27 atoms; new is what "
         "isn't in that tenth"),
    ):  # fmt: skip
        yield _spec(f"{name}_smiles", name, data, ranks, f"{text}, written as SMILES token by token")
        yield _spec(f"{name}_gen", name, data, ranks, f"{text}, drawn as graphs of atoms and bonds")


def suites() -> Iterable[Suite]:
    yield Suite(
        name="molecules_gen",
        blocks=(
            Block(models=("smiles_ngram", "smiles_ngram[order=8]"), tasks=("zinc_smiles", "qm9_smiles"), set=ONCE,
                  variant="one pass"),
            Block(models=("smiles_rnn", "smiles_rnn[temperature=0.7]"), tasks=("zinc_smiles", "qm9_smiles")),
            Block(models=("erdos_renyi",), tasks=("qm9_gen", "zinc_gen"), set=ONCE, variant="one pass"),
            Block(models=(VAE, "molgan", "molgan[shown=soft]"), tasks=("qm9_gen",)),
            Block(models=(VAE,), tasks=("zinc_gen",)),
        ),
        seeds=3,
        profile=ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.2),
        description="Molecules of QM9 and ZINC drawn as SMILES and as graphs, from counts to networks; needs RDKit, "
        "the extra molecules",
    )  # fmt: skip


def _spec(name: str, source: str, data: Any, ranks: Metric, description: str) -> TaskSpec:
    strings = name.endswith("_smiles")
    rings = source != "qm9"
    others = [metric for metric in (NEW, DISTINCT) if metric != ranks]
    shares = (*SHARES, *FLOORS, *(("scaffolds", "scaffolds_floor") if rings else ()))
    return TaskSpec(
        name=name,
        input_kind=Tokens if strings else Graph,
        output_kind=Sample,
        load=partial(load_strings if strings else load_graphs, source=source),
        unit="molecules",
        metric=ranks,
        metrics=(
            *others,
            *(Metric(name=share) for share in shares),
            Metric(name="property_distance", **FAR),
            Metric(name="property_distance_floor", **FAR),
            *([Metric(name="nll", unit="nats", higher_is_better=False)] if strings else []),
        ),
        floor=None,  # a constant answer would be one molecule a thousand times
        bound=1.0,
        recipe=STRINGS if strings else GRAPHS,
        data=data,
        preload=("rdkit.Chem",),
        heavy=source == "moses",  # names of 150,000 molecules take a minute
        description=f"{description}; RDKit judges 1,000 samples",
    )
