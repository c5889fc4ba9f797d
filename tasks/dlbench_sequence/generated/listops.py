"""`listops`: the value of a nested expression of lists of digits (see `expressions`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlbench import UsageError

from .classification import TokenClassification
from .expressions import DIGITS, P_OPERATOR, SYMBOLS, draw_trees, evaluate, fill, keep_trees, write
from .sizes import check_at_least, check_sizes

SEED = 46
DRAWN = 8192  # trees at once
MOST_NODES = 5_000_000  # of all those trees on one level, expected: some hundred MB
PATIENCE = 50  # times that many trees without a new expression show that there is none

Expressions = tuple[list[NDArray[np.uint8]], NDArray[np.int64]]


def draw(
    count: int, *, lengths: range, max_depth: int, max_args: int, taken: set[bytes], random: np.random.RandomState
) -> Expressions:
    """`count` different expressions whose length lies in `lengths`, none of them taken, and their values. From then on
    they are taken. Raises UsageError where there seem to be no more."""
    rows: list[NDArray[np.uint8]] = []
    values: list[int] = []
    idle = 0
    while len(rows) < count:
        levels = draw_trees(DRAWN, max_depth=max_depth, max_args=max_args, random=random)
        sizes, before = levels[0].sizes, len(rows)
        levels = keep_trees(levels, (sizes >= lengths.start) & (sizes < lengths.stop))
        if levels:
            symbols = fill(levels, random)
            for row, value in zip(write(levels, symbols), evaluate(levels, symbols).tolist(), strict=True):
                if (key := row.tobytes()) not in taken:
                    taken.add(key)
                    rows.append(row)
                    values.append(value)
        idle = idle + 1 if len(rows) == before else 0
        if idle == PATIENCE:
            raise UsageError(
                f"there are too few expressions of {lengths.start} to {lengths.stop - 1} symbols within depth "
                f"{max_depth} and {max_args} arguments"
            )
    return rows[:count], np.array(values[:count])


def make_task(
    *,
    length: int,
    min_length: int,
    max_depth: int,
    max_args: int,
    num_train: int,
    num_val: int,
    num_test: int,
    device: str = "cpu",
) -> TokenClassification:
    """No two splits share an expression. Raises UsageError where the limits leave too few expressions."""
    check_at_least(2, max_depth=max_depth, max_args=max_args)
    check_at_least(4, length=length)
    check_at_least(1, min_length=min_length)
    if DRAWN * (P_OPERATOR * (2 + max_args) / 2) ** (max_depth - 1) > MOST_NODES:
        raise UsageError(f"trees of max_depth {max_depth} and max_args {max_args} outgrow memory: lower one")
    sizes = check_sizes(num_train=num_train, num_val=num_val, num_test=num_test)
    if min_length > length:
        raise UsageError(f"min_length must not be above the length {length}, but is {min_length}")
    taken: set[bytes] = set()
    drawn = {
        split: draw(
            sizes[split], lengths=range(max(min_length, 4), length + 1), max_depth=max_depth, max_args=max_args,
            taken=taken, random=np.random.RandomState([SEED, length, min_length, max_depth, max_args, index]),
        )
        for index, split in enumerate(("test", "val", "train"))
    }  # fmt: skip
    return TokenClassification(drawn, vocab=len(SYMBOLS), num_classes=DIGITS, length=length, device=device)
