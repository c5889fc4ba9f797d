"""Pictures and the sentence that says what they show: `shapes_captions`, `emoji_captions`. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Image, Metric, TaskSpec, TokenSequence
from dlbench.data import Data

from .files import EMOJI, emoji_files
from .suites import suites as suites

EXACT = Metric(name="exact")
BLEU = Metric(name="bleu", unit="points")
NATS = Metric(name="cross_entropy", unit="nats", higher_is_better=False)


def load_shapes_captions(
    data: Data,
    *,
    unseen: bool = False,
    distractors: int = 2,
    num_train: int = 8000,
    num_val: int = 500,
    num_test: int = 1000,
    beam: int = 1,
    samples: int = 4,
) -> Any:
    """`unseen`: no caption of one split stands in another; else captions are drawn independently. `distractors`: at
    most so many grey shapes stand by, which no caption names. `beam`: how captions are written, 1 hypothesis is greedy
    search. `samples`: so many are kept in the record."""
    from .shapes import load

    counts = {"train": num_train, "val": num_val, "test": num_test}
    return load(data, counts=counts, unseen=unseen, distractors=distractors, beam=beam, samples=samples)


def load_emoji_captions(data: Data, *, style: str = "noto", beam: int = 1, samples: int = 4) -> Any:
    """`style`: who drew them, `noto` or `twemoji`. `beam` and `samples` as in `shapes_captions`."""
    from .emoji import load

    return load(data, dataset=emoji_files(style=style), beam=beam, samples=samples)


def specs() -> Iterable[TaskSpec]:
    yield TaskSpec(
        name="shapes_captions",
        input_kind=Image,
        output_kind=TokenSequence,
        load=load_shapes_captions,
        unit="image",
        metric=EXACT,
        metrics=(BLEU, NATS, Metric(name="pointing")),
        floor=0.0,  # one word again and again is no caption
        bound=1.0,
        recipe={"optimizer": "adam", "lr": 2e-3, "schedule": "cosine", "clip": 1.0, "batch_size": 64,
                "budget.epochs": 5},
        preload=("sacrebleu.metrics.bleu",),
        description="48x48 pictures of two coloured shapes and up to two grey ones, and the one sentence that is true "
        'of them, as in "a red cross left of a blue circle": the larger shape comes first. Captions of all splits are '
        "drawn from the same 2,304; unseen=true keeps those of test out of training. `exact` is the share of pictures "
        "whose whole caption is right, greedily written; `pointing` the share of shape words, given the words before "
        "them, at which the centre of the cell with most attention lies in the named shape's box: absent for models "
        "without attention; a cell of 8 pixels drawn at random scores 20 %",
    )  # fmt: skip
    yield TaskSpec(
        name="emoji_captions",
        input_kind=Image,
        output_kind=TokenSequence,
        load=load_emoji_captions,
        unit="image",
        metric=EXACT,
        metrics=(BLEU, NATS, Metric(name="exact_known")),
        floor=0.0,
        recipe={"optimizer": "adam", "lr": 2e-3, "schedule": "cosine", "clip": 1.0, "batch_size": 32,
                "budget.epochs": 10},
        data=emoji_files,
        datasets=tuple(EMOJI.values()),
        preload=("sacrebleu.metrics.bleu", "PIL.Image"),
        description="3,786 emoji of 32x32 and their Unicode names, 4.3 words on average; row % 10 is 3 for test, 7 for "
        "validation. Variants of a test emoji by tone and person are in training, so this asks for composition; many "
        "names have a word that stands nowhere else: `exact_known` counts the test captions without one alone. "
        "Cross-entropy is per known word",
    )  # fmt: skip
