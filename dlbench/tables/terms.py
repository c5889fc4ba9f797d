"""What must be the same in all rows of a table, and in all cells of a row.

Many records share the parts that this is made of, a recipe or a task, as one object in memory (see `records.memory`):
what parts say is worked out once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..contract.recipe import profile_settings
from ..results import Record

TERMS = ("type", "protocol", "layers", "tuned", "treatment", "recipe", "task")
"""Parts of a record that its terms are made of."""
PROGRAM = ("model", "task", "recipe", "ingredients", "protocol", "inputs", "content_digest")
"""Parts of a cell that say which program it was."""


class Same:
    """Remembers by the identity of parts, and keeps these, so that no other part gets their place in memory."""

    def __init__(self) -> None:
        self._terms: dict[tuple[Any, ...], tuple[list[Any], dict[str, str]]] = {}
        self._programs: dict[tuple[Any, ...], tuple[list[Any], int]] = {}
        self._numbers: dict[str, int] = {}

    def terms(self, record: Record) -> dict[str, str]:
        """What must be the same in all rows of a table."""
        parts = [*map(record.head.get, TERMS)]
        marks = tuple([id(part) if isinstance(part, (dict, list)) else part for part in parts])
        if marks not in self._terms:
            self._terms[marks] = parts, terms_of(record)
        return self._terms[marks][1]

    def program(self, cell: Record) -> int:
        """A number for what must be the same in all cells of a row: sources, data, recipe, and what else the program
        read."""
        parts = [*map(cell.head.get, PROGRAM)]
        marks = tuple([id(part) if isinstance(part, (dict, list)) else part for part in parts])
        if marks not in self._programs:
            model, task = cell["model"], cell["task"]
            described = [model.get("digest"), task.get("digest"), task.get("data_digest"), task["version"], *parts[2:]]
            text = json.dumps(described, sort_keys=True, default=str)
            self._programs[marks] = parts, self._numbers.setdefault(text, len(self._numbers))
        return self._programs[marks][1]


def terms_of(record: Record) -> dict[str, str]:
    """What must be the same in all rows of a table, as texts. What a model set for itself isn't among it, nor what a
    treatment is about, nor what tuning chose, whose search the variant names."""
    layers, tuned = record.get("layers") or {}, record.get("tuned") or {}
    own = {key for key, layer in layers.items() if layer == "model"} | {*(tuned.get("chosen") or {})}
    own |= {*treatment_of(record).get("keys", ())}
    recipe = {key: _text(value) for key, value in record["recipe"].items() if key not in own}
    if record.is_profile:
        recipe = profile_settings(recipe)
    task = record["task"]
    described = {"task version": task["version"], "task": task.get("digest"), "protocol": record.get("protocol")}
    if task.get("data") != "missing":
        described["data"] = task.get("data_digest")
    return {**{key: _text(value) for key, value in described.items()}, **recipe}


def difference(terms: Mapping[str, str], today: Mapping[str, str]) -> str:
    """How terms differ from today's, as a variant's text."""
    other = [(key, value) for key, value in terms.items() if today[key] != value]
    return ", ".join(f"other {key} {text[:4]}" if key in ("task", "data") else f"{key}={text}" for key, text in other)


def treatment_of(record: Record) -> dict[str, Any]:
    """What a record says of its treatment; empty where it has none."""
    found = record.get("treatment")
    whole = isinstance(found, dict) and isinstance(found.get("name"), str) and isinstance(found.get("keys"), list)
    return found if whole else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
