"""Spoken words: the digits of `fsdd`, and the suite that compares models on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Block, Classes, Metric, Series, Suite, TaskSpec, unknown
from dlbench.data import Data

SPLIT_FOLDS = {"official": 1, "speakers": 6}


def load_fsdd(data: Data, *, split: str = "official", mels: int = 40, hop: int = 80) -> Any:
    from .fsdd import load

    return load(data, split=split, mels=mels, hop=hop)


def fsdd_folds(*, split: str = "official", **_: int) -> int:
    """How many folds a split has."""
    if split not in SPLIT_FOLDS:
        raise unknown("split of fsdd", split, SPLIT_FOLDS)
    return SPLIT_FOLDS[split]


def dlbench_tasks() -> Iterable[TaskSpec]:
    from .files import FSDD

    yield TaskSpec(
        name="fsdd",
        input_kind=Series,
        output_kind=Classes,
        load=load_fsdd,
        unit="recording",
        metric=Metric(name="accuracy"),
        metrics=(Metric(name="cross_entropy", unit="nats", higher_is_better=False),),
        floor=0.1,  # every digit has 30 of the 300 test recordings
        recipe={"optimizer": "adam", "lr": 2e-3, "schedule": "cosine", "batch_size": 32, "budget.epochs": 20},
        folds=fsdd_folds,
        data=FSDD,
        preload=("librosa", "scipy.signal"),
        description="3,000 recordings of spoken digits as `mels` log-mel bands, a frame every `hop` samples of 8,000 a "
        "second; split=official has takes 0-4 of each speaker and digit as test, 5-9 as validation and 10-49 to train "
        "on (the source trains on 5-49); split=speakers holds every speaker out in turn (folds in the order george, "
        "jackson, lucas, nicolas, theo, yweweler), with a tenth of the others' recordings as validation",
    )


def dlbench_suites() -> Iterable[Suite]:
    yield Suite(
        name="speech",
        blocks=(
            Block(
                models=(
                    "constant",
                    "ridge",
                    "nearest_neighbour",
                    "gru",
                    "lstm[bidirectional=true]",
                    "cnn1d",
                    "encoder",
                ),
                tasks=("fsdd",),
            ),
            Block(models=("ridge", "nearest_neighbour", "gru", "cnn1d"), tasks=("fsdd[split=speakers]",)),
        ),
        seeds=3,
        description="Spoken digits by known speakers (the source's split) and by unknown ones (every speaker held "
        "out in turn), from linear and nearest-neighbour baselines to recurrent, convolutional and attention networks",
    )
