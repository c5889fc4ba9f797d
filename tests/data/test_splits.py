"""Fixed stratified splits."""

from __future__ import annotations

import numpy as np
import pytest

from dlbench.data.splits import stratified_split

LABELS = np.array([0] * 50 + [1] * 30 + [2] * 20)


def test_the_parts_are_disjoint_and_complete() -> None:
    parts = stratified_split(LABELS, (60, 20, 20))
    assert [len(part) for part in parts] == [60, 20, 20]
    assert sorted(np.concatenate(parts)) == list(range(100))
    assert all((np.diff(part) > 0).all() for part in parts)


def test_classes_come_in_proportion() -> None:
    counts = [np.bincount(LABELS[part]).tolist() for part in stratified_split(LABELS, (60, 20, 20))]
    assert counts == [[30, 18, 12], [10, 6, 4], [10, 6, 4]]


def test_the_seed_alone_decides() -> None:
    np.random.seed(1)
    first = stratified_split(LABELS, (60, 40), seed=3)
    np.random.seed(2)
    again = stratified_split(LABELS, (60, 40), seed=3)
    other = stratified_split(LABELS, (60, 40), seed=4)
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("sizes", [(60, 20), (60, 20, 30)])
def test_sizes_must_add_up(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not to 100"):
        stratified_split(LABELS, sizes)
