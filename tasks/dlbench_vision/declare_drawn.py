"""What people drew: the digits of USPS, the characters of Omniglot. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlbench import Classes, Image, Metric, Reference, TaskSpec
from dlbench.data import Data

from .drawn_files import OMNIGLOT, OMNIGLOT_ONESHOT, USPS

ACCURACY = Metric(name="accuracy")
METRICS = (Metric(name="cross_entropy", unit="nats", higher_is_better=False),)


def load_usps(data: Data) -> Any:
    from .usps import load

    return load(data)


def load_omniglot(data: Data, *, size: int = 28) -> Any:
    from .omniglot import load

    return load(data, size=size)


def load_omniglot_oneshot(data: Data, *, size: int = 28) -> Any:
    from .oneshot import load

    return load(data, size=size)


def omniglot_floor(*, size: int = 28) -> float:
    """All 964 characters are as frequent."""
    return 1 / 964


def one_shot_floor(*, size: int = 28) -> float:
    """One of 20 characters: from the same answer to every drawing nothing follows."""
    return 1 / 20


def specs() -> Iterator[TaskSpec]:
    """`usps`, `omniglot`, `omniglot_oneshot`."""
    yield _usps()
    yield _omniglot()
    yield _omniglot_oneshot()


def _usps() -> TaskSpec:
    return TaskSpec(
        name="usps",
        input_kind=Image,
        output_kind=Classes,
        load=load_usps,
        unit="image",
        metric=ACCURACY,
        metrics=METRICS,
        floor=359 / 2007,  # the zeros
        reference=Reference(
            value=0.975,
            source="2.5 % error is called excellent, trained on all 7,291 images: the set's description beside Hastie, "
            "Tibshirani, Friedman 2009, The Elements of Statistical Learning",
        ),
        recipe={"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 32, "budget.epochs": 30},
        data=USPS,
        description="9,298 handwritten digits of 16x16 from envelopes; the last 1,000 of the 7,291 training images are "
        "validation, the 2,007 published test images, which are harder, are test",
    )


def _omniglot() -> TaskSpec:
    return TaskSpec(
        name="omniglot",
        input_kind=Image,
        output_kind=Classes,
        load=load_omniglot,
        unit="image",
        metric=ACCURACY,
        metrics=METRICS,
        floor=omniglot_floor,
        recipe={"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 64, "budget.epochs": 30},
        data=OMNIGLOT,
        description="Which of 964 characters of 30 alphabets a drawing is, by other drawers: 1 to 14 of 20 are trained "
        "on, 15 and 16 are validation, 17 to 20 test; drawings of 105x105 are reduced to `size` by averaging areas",
    )


def _omniglot_oneshot() -> TaskSpec:
    return TaskSpec(
        name="omniglot_oneshot",
        input_kind=Image,
        output_kind=Classes,
        load=load_omniglot_oneshot,
        unit="image",
        metric=ACCURACY,
        floor=one_shot_floor,
        reference=Reference(
            value=0.92,
            source="Siamese convolutional network (8.0 % error; people 4.5 %, Hausdorff distance 38.8 %): Lake, "
            "Salakhutdinov, Tenenbaum 2015, Human-Level Concept Learning through Probabilistic Program Induction",
        ),
        recipe={"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 64, "budget.epochs": 30},
        data=OMNIGLOT_ONESHOT,
        preload=("PIL.Image",),
        description="20-way one-shot classification: a model learns the characters of 25 background alphabets, and a "
        "drawing of a new character is named by the nearest of 20 others' logits; test are the 20 official runs, "
        "validation 40 runs on five more background alphabets; drawings are reduced to `size` by averaging areas",
    )
