"""Sets of many graphs: `csl`, molecules (`zinc`, `aqsol`), the TU Dortmund collection (`mutag`, `enzymes`, `nci1`,
`imdb_binary`, any other as `tu:NAME`), and `mutag_probe`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from dlbench import Embedding, Graph, GraphClasses, GraphValue, Metric, Reference, TaskSpec
from dlbench.data import Data

if TYPE_CHECKING:
    from dlbench import DataSet

ACCURACY = Metric(name="accuracy")
NATS = Metric(name="loss", unit="nats", higher_is_better=False)
# Xu et al. 2019 have epochs of 50 steps, 350 of them, and halve the rate every 50; here an epoch has 10, there are 100,
# and the rate is halved at a half and at three quarters.
XU = {
    "optimizer": "adam",
    "lr": 0.01,
    "schedule": "step[gamma=0.5]",
    "batch_size": 32,
    "budget.steps": 1000,
    "evaluate_every": 10,
}


def specs() -> Iterable[TaskSpec]:
    """The tasks of this room."""
    from . import files

    yield _csl()
    yield _zinc()
    yield _aqsol()
    yield _tu("MUTAG", "mutag", files.MUTAG, floor=(101 / 19 + 24 / 18) / 10, text="188 molecules, mutagenic or not")
    yield _tu("ENZYMES", "enzymes", files.ENZYMES, floor=1 / 6, text="600 proteins of 6 classes of enzymes")
    yield _tu(
        "NCI1",
        "nci1",
        files.NCI1,
        floor=2057 / 4110,
        text="4,110 molecules, active against a lung cancer or not",
        reference=Reference(
            value=0.800,
            source="GIN, nested cross-validation with a search of settings and longer training: Errica et al. 2020, A "
            "Fair Comparison of Graph Neural Networks for Graph Classification",
        ),
    )
    yield _tu("IMDB-BINARY", "imdb_binary", files.IMDB_BINARY, floor=0.5, text="1,000 circles of actors, two genres")
    yield _any_tu()
    yield _mutag_probe()


def load_csl(data: Data, *, source: str = "generated", pe: int = 0) -> Any:
    """`source`: `generated`, or `published` for the published instances and folds; `pe`: so many Laplacian eigenvectors
    as more node features."""
    from .csl import load

    return load(data, source=source, pe=pe)


def load_zinc(data: Data, *, edge_features: bool = True, pe: int = 0, train: int | None = None) -> Any:
    """`edge_features`: give the bond types; `pe`: so many Laplacian eigenvectors as more node features; `train`: only
    the first so many training molecules."""
    from .molecules import ZINC, load

    return load(data, molecules=ZINC, edge_features=edge_features, pe=pe, train=train)


def load_aqsol(data: Data, *, edge_features: bool = True, pe: int = 0, train: int | None = None) -> Any:
    """As `load_zinc`."""
    from .molecules import AQSOL, load

    return load(data, molecules=AQSOL, edge_features=edge_features, pe=pe, train=train)


def load_tu(
    data: Data, *, member: str, protocol: str = "nested", folds: int = 10, attributes: bool = True, pe: int = 0
) -> Any:
    """`protocol`: `nested`, or `published` without a test set of its own; `attributes`: use the nodes' attributes too,
    where there are some; `pe`: so many Laplacian eigenvectors as more node features."""
    from .tu import load

    return load(data, member=member, protocol=protocol, folds=folds, attributes=attributes, pe=pe)


def load_mutag_probe(data: Data) -> Any:
    from .probe import load

    return load(data, member="MUTAG")


def tu_folds(*, folds: int = 10, **_: Any) -> int:
    """The number of folds under these options."""
    return folds


def tu_flags(*, protocol: str = "nested", **_: Any) -> tuple[str, ...]:
    """The published protocol reports the graphs that chose the epoch."""
    return ("optimistic",) if protocol == "published" else ()


def _csl() -> TaskSpec:
    from .files import CSL, csl_files

    return TaskSpec(
        name="csl",
        input_kind=Graph,
        output_kind=GraphClasses,
        load=load_csl,
        unit="graphs",
        metric=ACCURACY,
        metrics=(NATS,),
        monitor="loss",
        floor=0.1,
        bound=1.0,  # the spectra of the ten classes differ
        recipe={
            "optimizer": "adam",
            "lr": 5e-4,
            "schedule": "plateau[factor=0.5,patience=5,min_factor=0.002,stop=true]",
            "batch_size": 5,
            "budget.epochs": 150,
            "select": "last",
        },
        folds=5,
        data=csl_files,
        datasets=(CSL,),
        description="150 circular graphs with skip links in 10 classes that message passing can't tell apart without "
        "positions (pe=20); 5 folds of 90 / 30 / 30 graphs; the published recipe but for 150 epochs in place of 1,000",
    )


def _zinc() -> TaskSpec:
    from .files import ZINC

    return _molecules(
        "zinc",
        load_zinc,
        ZINC,
        floor=1.58971966,
        unit="",
        flags=("own_train_split",),
        description="Constrained solubility of 12,000 molecules: for validation and test the published 1,000 each, but "
        "for training 10,000 others of the same pool, so errors compare with published ones in distribution only",
    )


def _aqsol() -> TaskSpec:
    from .files import AQSOL

    return _molecules(
        "aqsol",
        load_aqsol,
        AQSOL,
        floor=2.124443841,
        unit="log mol/L",
        description="Solubility in water of 9,823 molecules, with the published scaffold split of 7,831 / 996 / 996",
    )


def _molecules(
    name: str, load: Any, data: DataSet, *, floor: float, unit: str, description: str, flags: tuple[str, ...] = ()
) -> TaskSpec:
    return TaskSpec(
        name=name,
        input_kind=Graph,
        output_kind=GraphValue,
        load=load,
        unit="graphs",
        metric=Metric(name="mae", unit=unit, higher_is_better=False),
        metrics=(Metric(name="loss", unit=unit, higher_is_better=False),),
        monitor="loss",
        floor=floor,
        recipe={
            "optimizer": "adam",
            "lr": 1e-3,
            "schedule": "plateau[factor=0.5,patience=10,min_factor=0.01,stop=true]",
            "batch_size": 128,
            "budget.epochs": 1000,
            "select": "last",
        },
        data=data,
        flags=flags,
        description=description,
    )


def _tu(
    member: str, name: str, data: DataSet, *, floor: float, text: str, reference: Reference | None = None
) -> TaskSpec:
    return TaskSpec(
        name=name,
        input_kind=Graph,
        output_kind=GraphClasses,
        load=partial(load_tu, member=member),
        unit="graphs",
        metric=ACCURACY,
        metrics=(NATS,),
        floor=floor,
        reference=reference,
        recipe=XU,
        folds=tu_folds,
        data=data,
        flags=tu_flags,
        preload=("sklearn.model_selection",),
        description=f"{text}; 10-fold cross-validation, nested, or with protocol=published as in Xu et al. 2019, which "
        "has no test set and is optimistic; 100 epochs of 10 steps in place of the published 350 of 50",
    )


def _any_tu() -> TaskSpec:
    from .files import tu_files

    return TaskSpec(
        name="tu:*",
        input_kind=Graph,
        output_kind=GraphClasses,
        load=load_tu,
        unit="graphs",
        metric=ACCURACY,
        metrics=(NATS,),
        floor=None,  # differs from set to set
        recipe=XU,
        folds=tu_folds,
        data=tu_files,
        flags=tu_flags,
        preload=("sklearn.model_selection",),
        description="Any set NAME of the TU Dortmund collection as tu:NAME, from graph/tu/NAME/raw of the data root; "
        "one whose checksums dlbench doesn't know needs --unverified-data",
    )


def _mutag_probe() -> TaskSpec:
    from .files import MUTAG

    return TaskSpec(
        name="mutag_probe",
        input_kind=Graph,
        output_kind=Embedding,
        load=load_mutag_probe,
        unit="graphs",
        metric=ACCURACY,
        floor=(101 / 19 + 24 / 18) / 10,  # as mutag: the classifier falls back on the majority
        reference=Reference(
            value=0.8901,
            source="InfoGraph (paper, unverified), best epoch by the reported figure: Sun et al. 2020, InfoGraph",
        ),
        recipe={
            "optimizer": "adam",
            "lr": 0.01,
            "batch_size": 128,
            "budget.epochs": 20,
            "evaluate_every": 5,
            "select": "last",
        },
        data=MUTAG,
        preload=("sklearn.model_selection", "sklearn.svm"),
        description="MUTAG's graphs embedded without labels, then a linear support vector machine on the vectors in "
        "10-fold cross-validation; val is the inner cross-validation of the training parts",
    )
