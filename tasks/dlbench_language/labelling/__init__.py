"""A label for every word: slots of questions about flights, parts of speech."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Metric, Reference, TaskSpec, Tokens, TokenTags
from dlbench.data import Data

from .files import ATIS, EWT

ACCURACY = Metric(name="accuracy")
LOSS = Metric(name="loss", unit="nats", higher_is_better=False)


def load_atis_slots(
    data: Data, *, digits_to_zero: bool = True, word_dropout: float = 0.5, bucket: bool = True
) -> Any:  # fmt: skip
    """`digits_to_zero`: 747 and 767 are one word, 000. `bucket=false` fills every batch up to the longest sentence."""
    from .atis import load

    return load(data, digits_to_zero=digits_to_zero, word_dropout=word_dropout, bucket=bucket)


def load_ewt_pos(
    data: Data, *, tags: str = "upos", lower: bool = True, word_dropout: float = 0.5, bucket: bool = True
) -> Any:
    """`tags`: `upos` or `xpos`. `lower`: words differ in more than case. `bucket`: as for `atis_slots`."""
    from .ewt import load

    return load(data, tags=tags, lower=lower, word_dropout=word_dropout, bucket=bucket)


def tasks() -> Iterable[TaskSpec]:
    yield TaskSpec(
        name="atis_slots",
        input_kind=Tokens,
        output_kind=TokenTags,
        load=load_atis_slots,
        unit="words",
        metric=Metric(name="f1"),
        metrics=(ACCURACY, LOSS),
        floor=0.0,  # O, the most frequent label, opens no chunk
        reference=Reference(
            value=0.952,
            source="the slot-gated model with full attention: Goo et al. 2018, Slot-Gated Modeling for Joint Slot "
            "Filling and Intent Prediction",
        ),
        recipe={"optimizer": "adam", "lr": 3e-3, "schedule": "cosine", "batch_size": 16, "budget.epochs": 20},
        data=ATIS,
        preload=("seqeval.metrics",),
        description="Slots of 4,478 / 500 / 893 questions about flights, 120 labels, F1 over chunks; digits count as 0",
    )
    yield TaskSpec(
        name="ewt_pos",
        input_kind=Tokens,
        output_kind=TokenTags,
        load=load_ewt_pos,
        unit="words",
        metric=ACCURACY,
        metrics=(LOSS,),
        floor=4123 / 25094,  # the nouns
        reference=Reference(
            value=0.951,
            source="bidirectional LSTM with convolutions over characters and a CRF: Tang 2018, as the abstract says",
        ),
        recipe={"optimizer": "adam", "lr": 4e-3, "schedule": "cosine", "batch_size": 32, "budget.epochs": 9},
        data=EWT,
        description="Universal parts of speech in the English Web Treebank, 12,544 / 2,001 / 2,077 sentences of words "
        "with their spelling; tags=xpos asks for those of the Penn Treebank",
    )
