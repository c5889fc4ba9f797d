"""Fixed splits: stratified, from a seed of the task's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def stratified_split(labels: Any, sizes: Sequence[int], seed: int = 0) -> list[Any]:
    """Disjoint index arrays of these sizes (they must add up to len(labels)), each with the classes in proportion.

    The same seed always gives the same split, whatever the cell's seed. Indices come back sorted.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    labels = np.asarray(labels)
    if sum(sizes) != len(labels):
        raise ValueError(f"split sizes {tuple(sizes)} add up to {sum(sizes)}, not to {len(labels)}")
    rest = np.arange(len(labels))
    parts = []
    for size in sizes[:-1]:
        part, rest = train_test_split(rest, train_size=size, stratify=labels[rest], random_state=seed)
        parts.append(np.sort(part))
    return [*parts, np.sort(rest)]
