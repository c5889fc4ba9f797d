"""The tasks' declarations. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Classes, Metric, NextToken, Series, TaskSpec, Tokens, TokenSequence, TokenTags, Value

from . import load

ACCURACY = Metric(name="accuracy")
NATS = Metric(name="cross_entropy", unit="nats", higher_is_better=False)
EXCESS = Metric(name="excess", unit="nats", higher_is_better=False)


def specs() -> Iterable[TaskSpec]:
    return [
        _adding(), _copy(), _parity(), _reber(), _listops(), _order(), _reverse(), _hmm_tags(), _digits_rows(),
        _mnist_rows(),
    ]  # fmt: skip


def _adding() -> TaskSpec:
    return TaskSpec(
        name="adding",
        input_kind=Series,
        output_kind=Value,
        load=load.adding,
        unit="sequences",
        metric=Metric(name="mse", unit="squared error", higher_is_better=False),
        floor=0.1666216694,
        bound=0.0,
        recipe={"optimizer": "adam", "lr": 2e-3, "clip": 1.0, "batch_size": 50, "budget.steps": 4000,
                "evaluate_every": 250},
        description="The sum of the two marked ones among 100 random numbers; always answering 1, which is the mean, "
        "costs their variance, 1/6",
    )  # fmt: skip


def _copy() -> TaskSpec:
    return TaskSpec(
        name="copy",
        input_kind=Tokens,
        output_kind=TokenTags,
        load=load.copying,
        unit="tokens",
        metric=NATS,
        metrics=(Metric(name="baseline_share", unit="ratio", higher_is_better=False), ACCURACY),
        floor=0.7071804261,
        bound=0.0,
        recipe={"optimizer": "adam", "lr": 1e-3, "clip": 1.0, "batch_size": 64, "budget.steps": 1000,
                "evaluate_every": 100},
        description="Ten symbols of eight kinds, written down again after 50 blanks. Who knows when to write but "
        "remembers nothing scores 10 ln 8 / 70 = 0.2971 nats per place, and `baseline_share` is the part of that; "
        "`accuracy` counts the ten written symbols",
    )  # fmt: skip


def _parity() -> TaskSpec:
    return TaskSpec(
        name="parity",
        input_kind=Tokens,
        output_kind=Classes,
        load=load.parity,
        unit="sequences",
        metric=ACCURACY,
        metrics=(NATS,),
        floor=0.5,
        bound=1.0,
        recipe={"optimizer": "adam", "lr": 3e-3, "clip": 1.0, "batch_size": 64, "budget.epochs": 10},
        description="Whether the number of ones among 12 bits is odd, learnt from strings of 1 to 12 bits; no linear "
        "function of the bits does better than chance, and test_length=40 asks for longer strings",
    )


def _reber() -> TaskSpec:
    return TaskSpec(
        name="reber",
        input_kind=Tokens,
        output_kind=NextToken,
        load=load.reber,
        unit="tokens",
        metric=Metric(name="outer_accuracy"),
        metrics=(Metric(name="legal"), NATS, EXCESS),
        floor=0.5,
        bound=1.0,
        recipe={"optimizer": "adam", "lr": 3e-3, "clip": 1.0, "batch_size": 32, "budget.epochs": 10},
        description="Strings of the embedded Reber grammar, symbol by symbol: `outer_accuracy` asks for the last but "
        "one, which repeats the second; without memory it is a coin toss. `excess` counts from what the grammar "
        "itself scores. Strings have 12 symbols on average, and nine in ten of the test split stand in training too",
    )


def _listops() -> TaskSpec:
    return TaskSpec(
        name="listops",
        input_kind=Tokens,
        output_kind=Classes,
        load=load.listops,
        unit="sequences",
        metric=ACCURACY,
        metrics=(NATS,),
        floor=0.112,
        bound=1.0,
        recipe={"optimizer": "adam", "lr": 1e-3, "clip": 1.0, "batch_size": 64, "budget.epochs": 10},
        description="The value of nested lists of digits under MIN, MAX, MED and SM (sum modulo 10), of at most 100 "
        "symbols; [length=1999,min_length=501,max_depth=10,max_args=10,num_train=96000] draws by the rules of Long "
        "Range Arena, where a Transformer reached 36.4 %",
    )


def _order() -> TaskSpec:
    return TaskSpec(
        name="order",
        input_kind=Tokens,
        output_kind=Classes,
        load=load.order,
        unit="sequences",
        metric=ACCURACY,
        metrics=(NATS,),
        floor=0.5,
        bound=1.0,
        recipe={"optimizer": "adam", "lr": 1e-3, "clip": 1.0, "batch_size": 64, "budget.epochs": 5},
        description="Whether a comes before b among 20 symbols; every sequence stands with its mirror image, so a "
        "model that sees no order is right exactly half of the time",
    )


def _reverse() -> TaskSpec:
    return TaskSpec(
        name="reverse",
        input_kind=Tokens,
        output_kind=TokenSequence,
        load=load.reverse,
        unit="tokens",
        metric=Metric(name="exact_match"),
        metrics=(NATS,),
        floor=0.0,
        bound=1.0,
        recipe={"optimizer": "adam", "lr": 1e-3, "clip": 1.0, "batch_size": 64, "budget.epochs": 10},
        version="2",
        description="Write 1 to 10 symbols backwards, and stop: a toy translation; no sequence is in two splits",
    )


def _hmm_tags() -> TaskSpec:
    return TaskSpec(
        name="hmm_tags",
        input_kind=Tokens,
        output_kind=TokenTags,
        load=load.hmm_tags,
        unit="tokens",
        metric=ACCURACY,
        metrics=(NATS, Metric(name="regret", unit="difference", higher_is_better=False)),
        floor=16_163 / 60_000,
        bound=36_874 / 60_000,  # of the smoothed probabilities of the known model, on this test split
        recipe={"optimizer": "adam", "lr": 3e-3, "schedule": "cosine", "batch_size": 32, "budget.epochs": 8},
        description="The hidden states behind 30 symbols of a known hidden Markov model. The bound is what its own "
        "probabilities score, given all symbols of a sequence; given those up to a place they score 55.5 %, given that "
        "symbol alone 49.3 %. `regret` counts from the bound",
    )


def _digits_rows() -> TaskSpec:
    return TaskSpec(
        name="digits_rows",
        input_kind=Series,
        output_kind=Classes,
        load=load.digits_rows,
        unit="sequences",
        metric=ACCURACY,
        metrics=(NATS,),
        floor=37 / 360,  # class 3, the most frequent in the training split, has 37 of the 360 test images
        recipe={"optimizer": "adam", "lr": 3e-3, "schedule": "cosine", "clip": 1.0, "batch_size": 32,
                "budget.epochs": 30},
        preload=("sklearn.datasets", "sklearn.model_selection"),
        description="The 8x8 digits of the task `digits`, row by row: 8 steps of 8 numbers",
    )  # fmt: skip


def _mnist_rows() -> TaskSpec:
    from dlbench_vision.files import MNIST

    return TaskSpec(
        name="mnist_rows",
        input_kind=Series,
        output_kind=Classes,
        load=load.mnist_rows,
        unit="sequences",
        metric=ACCURACY,
        metrics=(NATS,),
        floor=0.1135,  # the ones: 1,135 of the 10,000 test images
        recipe={"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "clip": 1.0, "batch_size": 64,
                "budget.epochs": 5},
        data=MNIST,
        description="The 28x28 digits of the task `mnist`, row by row: 28 steps of 28 numbers; pixels=true reads 784 "
        "pixels one by one, permuted=true in one random order",
    )  # fmt: skip
