"""Classes of sentences: film reviews and questions."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from dlbench import Classes, DataSet, Metric, Reference, TaskSpec, Tokens
from dlbench.data import Data

from .files import RT_POLARITY, TREC, sst_files

ACCURACY = Metric(name="accuracy")
METRICS = (Metric(name="cross_entropy", unit="nats", higher_is_better=False),)
KIM = "CNN-rand, random embeddings: Kim 2014, Convolutional Neural Networks for Sentence Classification"
SETTINGS = {
    "input_kind": Tokens, "output_kind": Classes, "unit": "sentences", "metric": ACCURACY, "metrics": METRICS,
}  # fmt: skip
RECIPE = {"optimizer": "adam", "lr": 2e-3, "schedule": "cosine", "batch_size": 50, "budget.epochs": 4}


def load_rt_polarity(data: Data, *, folds: int = 10, min_count: int = 1, word_dropout: float = 0.5) -> Any:
    """`folds`: how many of the ten folds are used."""
    from .rt_polarity import load

    return load(data, folds=folds, min_count=min_count, word_dropout=word_dropout)


def load_sst2(data: Data, *, phrases: bool = False, min_count: int = 1, word_dropout: float = 0.5) -> Any:
    """`phrases`: train on every phrase of the training trees, and not on whole sentences alone."""
    from .sst import load

    return load(data, num_classes=2, phrases=phrases, min_count=min_count, word_dropout=word_dropout)


def load_sst5(data: Data, *, phrases: bool = False, min_count: int = 1, word_dropout: float = 0.5) -> Any:
    """`phrases`: as for `sst2`."""
    from .sst import load

    return load(data, num_classes=5, phrases=phrases, min_count=min_count, word_dropout=word_dropout)


def load_trec(data: Data, *, fine: bool = False, min_count: int = 1, word_dropout: float = 0.5) -> Any:
    """`fine`: 50 classes in place of 6."""
    from .trec import load

    return load(data, fine=fine, min_count=min_count, word_dropout=word_dropout)


def rt_polarity_folds(*, folds: int = 10, **_: Any) -> int:
    return folds


def find_sst(num_classes: int, *, phrases: bool = False, **_: Any) -> DataSet:
    return sst_files(num_classes, phrases=phrases)


def tasks() -> Iterable[TaskSpec]:
    yield TaskSpec(
        **SETTINGS,
        name="rt_polarity",
        load=load_rt_polarity,
        floor=0.5,
        reference=Reference(value=0.761, source=KIM),
        folds=rt_polarity_folds,
        recipe=RECIPE,
        data=RT_POLARITY,
        preload=("sklearn.model_selection",),
        description="10,662 sentences from film reviews, positive or negative, in ten folds, of which folds=N takes "
        "the first N; a tenth of what a fold leaves is validation",
    )
    yield _sst(2, load_sst2, floor=909 / 1821, kim=0.827)
    yield _sst(5, load_sst5, floor=510 / 2210, kim=0.450)
    yield TaskSpec(
        **SETTINGS,
        name="trec",
        load=load_trec,
        floor=94 / 500,  # ENTY, the most frequent class of the training split, has 94 of the 500 test questions
        reference=Reference(value=0.912, source=KIM),
        recipe={**RECIPE, "budget.epochs": 8},
        data=TREC,
        preload=("sklearn.model_selection",),
        description="Questions by what they ask for, 6 classes or with fine=true 50: 4,907 / 545 / 500; a tenth of the "
        "published training set is validation",
    )


def _sst(num_classes: int, load: Any, *, floor: float, kim: float) -> TaskSpec:
    return TaskSpec(
        **SETTINGS,
        name=f"sst{num_classes}",
        load=load,
        floor=floor,
        reference=Reference(value=kim, source=f"trained on phrases too, as phrases=true does; {KIM}"),
        recipe=RECIPE,
        data=partial(find_sst, num_classes),
        datasets=(sst_files(num_classes), sst_files(num_classes, phrases=True)),
        description="Stanford Sentiment Treebank, "
        + ("positive or negative sentences" if num_classes == 2 else "five classes from very negative to very positive")
        + ", official split; trained on whole sentences, with phrases=true on all phrases of the trees",
    )
