"""`order`: whether a comes before b.

Every sequence stands with its mirror image, which has the other answer. Models that see a bag of symbols can't tell
the two apart, as a Transformer without positions can't (Vaswani et al. 2017, "Attention Is All You Need", section 3.5):
they are right exactly half of the time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dlbench import UsageError

from .classification import TokenClassification
from .sizes import check_at_least, check_sizes

SEED = 44
MOST_SYMBOLS = 256  # in a byte
A, B = 0, 1
NO, YES = 0, 1


def draw(
    count: int, length: int, vocab: int, random: np.random.RandomState
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Sequences (count, length), each mirror image beside its original, and whether a comes before b. Both occur once,
    among symbols drawn from the rest of the vocabulary."""
    pairs = count // 2
    rows = random.randint(2, vocab, (pairs, length)).astype(np.uint8)
    places = random.random_sample((pairs, length)).argsort(axis=1)[:, :2]  # two different ones
    rows[np.arange(pairs), places[:, 0]] = A
    rows[np.arange(pairs), places[:, 1]] = B
    before = np.where(places[:, 0] < places[:, 1], YES, NO)
    both = np.stack([rows, rows[:, ::-1]], axis=1).reshape(count, length)
    return both, np.stack([before, 1 - before], axis=1).reshape(count)


def make_task(
    *, length: int, vocab: int, num_train: int, num_val: int, num_test: int, device: str = "cpu"
) -> TokenClassification:
    """Raises UsageError for a length below 2, a vocabulary outside 3 to 256 or splits that don't divide into pairs."""
    check_at_least(2, length=length)
    if not 3 <= vocab <= MOST_SYMBOLS:
        raise UsageError(f"vocab must be 3 to {MOST_SYMBOLS}, not {vocab}")
    sizes = check_sizes(multiple=2, num_train=num_train, num_val=num_val, num_test=num_test)
    splits = {
        split: draw(count, length, vocab, np.random.RandomState([SEED, length, vocab, index]))
        for index, (split, count) in enumerate(sizes.items())
    }
    return TokenClassification(
        {split: (list(rows), labels) for split, (rows, labels) in splits.items()},
        vocab=vocab, num_classes=2, length=length, device=device,
    )  # fmt: skip
