"""Fixed splits: stratified or plain, from a seed of the task's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ..errors import NoData, UsageError

SPLITS = ("train", "val", "test")
Part = TypeVar("Part")


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


def draw_split(labels: Any, *shares: float, stratify: bool = True, seed: int = 0) -> list[Any]:
    """Index arrays of the rest and of these shares of `labels` (N,), each with the classes in proportion unless
    `stratify` is False, as for numbers. Raises UsageError for shares that leave nothing, NoData for too few examples.
    """
    import numpy as np

    labels = np.asarray(labels)
    sizes = [round(share * len(labels)) for share in shares]
    if min(shares) <= 0 or sum(shares) >= 1:
        raise UsageError(f"the shares of val and test lie above 0 and below 1 together, not {shares}")
    if not all(sizes) or sum(sizes) >= len(labels):
        raise NoData(f"{len(labels)} examples are too few to hold some out")
    sizes = [len(labels) - sum(sizes), *sizes]
    if not stratify:
        order = np.random.default_rng(seed).permutation(len(labels))
        return [np.sort(part) for part in np.split(order, np.cumsum(sizes)[:-1])]
    try:
        return stratified_split(labels, sizes, seed)
    except ValueError as error:
        raise NoData(f"the examples can't be split with the classes in proportion: {error}") from error


def complete(
    found: Mapping[str, Part], take: Callable[[Part, Any], Part], labels_of: Callable[[Part], Any], *,
    stratify: bool = True, share: float = 0.1,
) -> dict[str, Part]:  # fmt: skip
    """The splits train, val and test of what was read. Those that are missing, val or val and test, are drawn from
    train by `draw_split`, a `share` each; `take(part, index)` gives some examples of a part, `labels_of` the label of
    each. Raises UsageError where there is no train, or for splits of other names."""
    missing = [split for split in SPLITS if split not in found]
    if set(found) - set(SPLITS) or missing not in ([], ["val"], ["val", "test"]):
        raise UsageError(f"needs train, train and test, or train, val and test, not {', '.join(found)}")
    if not missing:
        return dict(found)
    train = found["train"]
    parts = draw_split(labels_of(train), *(share for _ in missing), stratify=stratify)
    drawn = {name: take(train, index) for name, index in zip(("train", *missing), parts, strict=True)}
    return {split: drawn[split] if split in drawn else found[split] for split in SPLITS}
