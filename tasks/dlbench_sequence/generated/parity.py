"""`parity`: whether a string of bits holds an odd number of ones.

Minsky and Papert 1969, "Perceptrons": no linear function of the bits tells. Networks that read bit by bit need one bit
of memory: Hochreiter and Schmidhuber 1997 guess the weights for it.

Training strings have all lengths from 1 to `length`; the strings of validation and test are as long as can be, half of
them odd, and are not among the training strings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlbench import UsageError

from .classification import TokenClassification
from .sizes import check_at_least, check_sizes

SEED = 43

Bits = NDArray[np.uint8]


def held_out(count: int, length: int, taken: set[bytes], random: np.random.RandomState) -> Bits:
    """`count` different strings (count, length), half of them odd, none of them taken; they are taken then."""
    parts: tuple[list[Bits], list[Bits]] = ([], [])
    while min(map(len, parts)) < count // 2:
        for row in random.randint(0, 2, (count, length)).astype(np.uint8):
            part = parts[int(row.sum()) % 2]
            if len(part) < count // 2 and row.tobytes() not in taken:
                taken.add(row.tobytes())
                part.append(row)
    return random.permutation(np.array([*parts[0], *parts[1]]))


def training_strings(count: int, length: int, taken: set[bytes], random: np.random.RandomState) -> list[Bits]:
    """`count` strings, each length from 1 to `length` as likely as another, none of them taken."""
    lengths = random.randint(1, length + 1, count)
    rows = [
        row[:size] for row, size in zip(random.randint(0, 2, (count, length)).astype(np.uint8), lengths, strict=True)
    ]
    for index, row in enumerate(rows):
        while rows[index].tobytes() in taken:
            rows[index] = random.randint(0, 2, len(row)).astype(np.uint8)
    return rows


def make_task(
    *, length: int, test_length: int | None, num_train: int, num_val: int, num_test: int, device: str = "cpu"
) -> TokenClassification:
    """`test_length`: of the test strings, where they shall be longer. Raises UsageError where there are too few strings
    of a length to hold so many of them out."""
    longest = length if test_length is None else test_length
    check_at_least(1, length=length, test_length=longest)
    check_sizes(num_train=num_train)
    check_sizes(multiple=2, num_val=num_val, num_test=num_test)
    for size, count in ((length, num_val + num_test * (longest == length)), (longest, num_test)):
        if size < 60 and 2 * count > 2**size:
            raise UsageError(f"there are {2**size} strings of {size} bits, too few to hold {count} of them out")
    taken: set[bytes] = set()
    streams = [np.random.RandomState([SEED, length, longest, index]) for index in range(3)]
    test = held_out(num_test, longest, taken, streams[0])
    val = held_out(num_val, length, taken, streams[1])
    train = training_strings(num_train, length, taken, streams[2])
    splits = {
        name: (rows, np.array([row.sum() % 2 for row in rows]))
        for name, rows in (("train", train), ("val", list(val)), ("test", list(test)))
    }
    return TokenClassification(splits, vocab=2, num_classes=2, length=max(length, longest), device=device)
