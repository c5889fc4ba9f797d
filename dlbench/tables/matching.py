"""Which rows of two sides are held against each other: the same ones, or those that are equal in some keys alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import UsageError, unknown
from .groups import Group, RowKey

Pairs = list[tuple[Group, Group]]
Single = tuple[Group, str]


def by_all_but_place(old: Iterable[Group], new: Iterable[Group]) -> tuple[Pairs, list[Single]]:
    """Rows with the same key but for machine and torch, of which the same are preferred; and the rows, each with its
    side, that stand on one side only."""
    return _matched(_index(old, _whole), _index(new, _whole), _same_place)


def by_keys(old: Iterable[Group], new: Iterable[Group], keys: Sequence[str]) -> tuple[Pairs, list[Single]]:
    """Rows that are equal in these keys, whatever else differs. Raises UsageError on a key that is none, and where
    several rows of one side are equal in them, with what tells those apart."""
    for key in keys:
        if key not in RowKey._fields:
            raise unknown("key of a row", key, RowKey._fields)

    def read(key: RowKey) -> tuple[Any, ...]:
        return tuple(getattr(key, name) for name in keys)

    sides = {"old": _index(old, read), "new": _index(new, read)}
    for side, index in sides.items():
        for value, found in index.items():
            if len(found) > 1:
                where = ", ".join(f"{name} {shown}" for name, shown in zip(keys, value, strict=True))
                raise UsageError(
                    f"{len(found)} rows of the {side} results have {where}; they differ in {differing(found)}: "
                    f"name more keys in --match, or choose rows with --{side} EXPR"
                )
    return _matched(sides["old"], sides["new"], lambda one, other: [(one[0], other[0])])


def differing(found: Sequence[Group]) -> str:
    """In what rows differ, as `precision (bf16, fp32), variant (none, lr=0.1)`."""
    texts = []
    for name in RowKey._fields:
        values = sorted({str(getattr(group.key, name)) or "none" for group in found})
        if len(values) > 1:
            texts.append(f"{name} ({', '.join(values)})")
    return ", ".join(texts)


def other_terms(before: Group, after: Group) -> list[str]:
    """Sentences on what else of their keys differs in two rows that were matched by some; machine and torch stand in
    sentences of their own."""
    names = [name for name in RowKey._fields if name not in ("machine", "torch")]
    pairs = [(name, getattr(before.key, name), getattr(after.key, name)) for name in names]
    return [f"another {name} ({_shown(old)} -> {_shown(new)})" for name, old, new in pairs if old != new]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) or "none"


def _whole(key: RowKey) -> tuple[Any, ...]:
    return key._replace(machine="", torch="")


def _index(side: Iterable[Group], read: Callable[[RowKey], tuple[Any, ...]]) -> dict[tuple[Any, ...], list[Group]]:
    index: dict[tuple[Any, ...], list[Group]] = {}
    for group in side:
        index.setdefault(read(group.key), []).append(group)
    return index


def _matched(
    old: Mapping[tuple[Any, ...], list[Group]], new: Mapping[tuple[Any, ...], list[Group]],
    pair: Callable[[list[Group], list[Group]], Pairs],
) -> tuple[Pairs, list[Single]]:  # fmt: skip
    pairs, singles = Pairs(), list[Single]()
    for key in sorted(old.keys() | new.keys()):
        if key in old and key in new:
            pairs += pair(old[key], new[key])
        else:
            side = "old" if key in old else "new"
            singles.append(((old if key in old else new)[key][0], side))
    return pairs, singles


def _same_place(old: list[Group], new: list[Group]) -> Pairs:
    """Groups from the same machine under the same torch; where there are none, the newest of each side."""
    places = {group.key.place: group for group in new}
    same = [(group, places[group.key.place]) for group in old if group.key.place in places]

    def newest(side: list[Group]) -> Group:
        return max(side, key=lambda group: str(group.head.get("created") or ""))

    return same or [(newest(old), newest(new))]
