"""Language tasks: `markov_chars`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Metric, NextToken, TaskSpec, Tokens
from dlbench.data import Data


def load_markov_chars(
    data: Data,
    *,
    vocab: int = 16,
    order: int = 1,
    length: int = 32,
    num_train: int = 2048,
    num_val: int = 512,
    num_test: int = 2048,
) -> Any:
    """`length` predictions per segment; `num_*` count segments. From order 2 on a model needs memory."""
    from .markov import make_task

    sizes = {"train": num_train, "val": num_val, "test": num_test}
    return make_task(vocab=vocab, order=order, length=length, sizes=sizes, device=data.device)


def dlbench_tasks() -> Iterable[TaskSpec]:
    yield TaskSpec(
        name="markov_chars",
        input_kind=Tokens,
        output_kind=NextToken,
        load=load_markov_chars,
        unit="tokens",
        metric=Metric(name="cross_entropy", unit="nats", higher_is_better=False),
        metrics=(Metric(name="excess", unit="nats", higher_is_better=False),),
        floor=2.6360944921,
        bound=1.5059563293,
        recipe={"optimizer": "adam", "lr": 4e-3, "schedule": "cosine", "batch_size": 32, "budget.epochs": 3},
        description=(
            "Next symbol of a random Markov chain over 16 symbols, generated. The bound is the chain's entropy rate, "
            "an expectation: the chain itself scores 1.5117 on this test split, and `excess` counts from there."
        ),
    )
