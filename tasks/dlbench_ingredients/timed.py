"""Tasks on which optimizers are timed: what is judged is what they lower, and a milestone says when. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from dlbench import Classes, Image, Metric, NextToken, TaskSpec, Tokens
from dlbench.data import Data
from dlbench_language.modelling.files import SHAKESPEARE

LOSS = Metric(name="cross_entropy", unit="nats", higher_is_better=False)


def load_digits_loss(data: Data) -> Any:
    """The splits of the task digits."""
    from dlbench_vision.digits import load

    return load(data)


def load_characters_loss(data: Data) -> Any:
    """The text of the task shakespeare_char, in windows of 16."""
    from dlbench_language.modelling.text import load_shakespeare

    return load_shakespeare(data, path=SHAKESPEARE.files[0].path, length=16, carry=False, samples=0)


def specs() -> Iterable[TaskSpec]:
    yield TaskSpec(
        name="digits_loss",
        input_kind=Image,
        output_kind=Classes,
        load=load_digits_loss,
        unit="image",
        metric=LOSS,
        metrics=(Metric(name="accuracy"),),
        floor=math.log(10),
        milestones=(0.2,),
        recipe={"optimizer": "adam", "lr": 3e-3, "batch_size": 32, "budget.steps": 300, "evaluate_every": 20},
        preload=("sklearn.datasets", "sklearn.model_selection"),
        description="the task digits judged by cross-entropy, and when validation first reaches 0.2 nats",
    )
    yield TaskSpec(
        name="characters_loss",
        input_kind=Tokens,
        output_kind=NextToken,
        load=load_characters_loss,
        unit="token",
        metric=LOSS,
        metrics=(Metric(name="bits_per_character", unit="bits", higher_is_better=False),),
        floor=3.347153654967827,
        milestones=(2.3,),
        recipe={"optimizer": "adam", "lr": 3e-3, "batch_size": 16, "budget.steps": 300, "evaluate_every": 20},
        data=SHAKESPEARE,
        description="the task shakespeare_char in windows of 16 characters, and when validation first reaches 2.3 nats",
    )
