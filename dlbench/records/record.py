"""A record in memory: all of its body, or without the long parts until somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .facts import LONG, facts_of

Whole = Callable[[], dict[str, Any]]
PLACED = ("tuned", "treatment")
"""What a record has of the square that it stands for, or not at all."""


class Record:
    """The immutable result of one cell or one profile. Fields that this version doesn't know are kept. Parts of a body
    may be shared with other records: nobody changes them.

    `facts`: what `facts_of` says of the body, where it is known already. `whole`: reads the body, where `body` lacks
    the long parts that the facts name. `shard`: the subfolder that the file lies in.
    """

    __slots__ = ("_body", "_facts", "_whole", "shard")

    def __init__(
        self, body: dict[str, Any], facts: dict[str, Any] | None = None, whole: Whole | None = None, shard: str = ""
    ) -> None:
        self._body, self._facts, self._whole, self.shard = body, facts, whole, shard

    @property
    def body(self) -> dict[str, Any]:
        """All of it. Raises OSError where the file has changed since the record was read, or has gone."""
        if self._whole is not None:
            self._body, self._whole = self._whole(), None
        return self._body

    @property
    def head(self) -> dict[str, Any]:
        """What is there of the body: all of it, or all but the long parts."""
        return self._body

    @property
    def facts(self) -> dict[str, Any]:
        """What tables need of the long parts (see `records.facts`)."""
        if self._facts is None:
            self._facts = facts_of(self._body)
        return self._facts

    @property
    def name(self) -> str:
        return str(self._body["name"])

    @property
    def status(self) -> str:
        return str(self._body["status"])

    @property
    def is_profile(self) -> bool:
        return bool(self._body["type"] == "profile")

    def __getitem__(self, key: str) -> Any:
        return self.body[key] if key in LONG else self._body[key]

    def get(self, key: str, default: Any = None) -> Any:
        return (self.body if key in LONG and self._lacks(key) else self._body).get(key, default)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.body == other.body

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Record({self._body!r})"

    def placed(self, place: Mapping[str, Any]) -> Record:
        """The record as it stands in a grid: with these fields, and without a treatment or tuning that isn't among
        them."""
        changes = {key: self._body.get(key) for key in {*place, *PLACED}} != {**dict.fromkeys(PLACED), **place}
        if not changes:
            return self
        whole = None if self._whole is None else partial(_placed_whole, self._whole, place)
        return Record(_placed(self._body, place), self._facts, whole, self.shard)

    def _lacks(self, key: str) -> bool:
        return self._whole is not None and key in self.facts["long"]


def _placed(body: dict[str, Any], place: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in body.items() if key not in PLACED}, **place}


def _placed_whole(whole: Whole, place: Mapping[str, Any]) -> dict[str, Any]:
    return _placed(whole(), place)


def is_done(record: Record | None, limits: dict[str, Any]) -> bool:
    """Whether a cell needs no new run under today's limits (`timeout_s`, `memory_bytes`; None: no limit)."""
    if record is None or record.status == "no_data" or record.get("fault") == "core":
        return False
    if record.status in ("timeout", "oom"):
        key = "timeout_s" if record.status == "timeout" else "memory_bytes"
        then, now = (record.get("limits") or {}).get(key), limits.get(key)
        return then is None or (now is not None and now <= then)
    return True
