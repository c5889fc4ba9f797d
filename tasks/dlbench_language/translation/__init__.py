"""Sentences into another language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Metric, Reference, TaskSpec, Tokens, TokenSequence
from dlbench.data import Data


def load_multi30k_de_en(
    data: Data,
    *,
    pairs: int | None = None,
    min_count: int = 2,
    max_length: int = 50,
    beam: int = 1,
    length_penalty: float = 1.0,
    samples: int = 4,
) -> Any:
    """`pairs`: only so many of the training pairs, the first ones; none for all. `min_count`: how often a word must
    stand in them to be known. `max_length`: training pairs with more words on a side are left out. `beam`,
    `length_penalty`: how translations are written, 1 hypothesis is greedy search. `samples`: so many of them are kept
    in the record."""
    from .multi30k import load

    return load(
        data, pairs=pairs, min_count=min_count, max_length=max_length, beam=beam, length_penalty=length_penalty,
        samples=samples,
    )  # fmt: skip


def tasks() -> Iterable[TaskSpec]:
    from .files import MULTI30K

    yield TaskSpec(
        name="multi30k_de_en",
        input_kind=Tokens,
        output_kind=TokenSequence,
        load=load_multi30k_de_en,
        unit="target tokens",
        metric=Metric(name="bleu", unit="points"),
        metrics=(
            Metric(name="cross_entropy", unit="nats", higher_is_better=False),
            Metric(name="perplexity", unit="perplexity", higher_is_better=False),
        ),
        monitor="cross_entropy",
        floor=0.005708664292226866,  # the most frequent word, up to the longest that may be written
        reference=Reference(
            value=36.52,
            source="Transformer, 3 + 3 layers of width 256, greedy, in other tokens (lower-cased, of spaCy; 5,893 "
            "known words): notebook 6 of github.com/bentrevett/pytorch-seq2seq, one run",
        ),
        recipe={"optimizer": "adam", "lr": 1e-3, "clip": 1.0, "batch_size": 128, "budget.epochs": 10},
        data=MULTI30K,
        preload=("sacrebleu.metrics.bleu",),
        description=(
            "29,000 / 1,014 / 1,000 captions of pictures from German to English, lower case, in Moses tokens; test is "
            "test_2016_flickr. Greedy unless beam says otherwise. BLEU by sacreBLEU on these tokens against the "
            "references as spelled, nrefs:1|case:mixed|eff:no|tok:none|smooth:exp; the first sample in a record is the "
            "signature with its version. Cross-entropy and perplexity are per target token, given those before it"
        ),
    )
