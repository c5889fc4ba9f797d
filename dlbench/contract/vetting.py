"""Whether each field of a spec is what it must be, asked once when a plugin or a suite's file gives it. No torch.

One table of rules by the fields' names, which mean the same in every spec; a field without a rule is taken as it is.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from ..errors import UsageError
from .kinds import InputKind, Kind, OutputKind
from .recipe import MODEL_KEYS, PART_KEYS, resolve
from .sets import DataFile, DataSet
from .specs import Block, Metric, ProfileProtocol, Reference, TaskSpec

NAME = re.compile(r"\w[\w.+:-]*(?::\*)?")
MOST_SEEDS, LARGEST_SEED = 10_000, 2**53
Path = tuple[str | int, ...]


class Fault(UsageError):
    """A field that isn't what it must be: `path` leads to it, as in ("blocks", 1, "models")."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
        super().__init__(f"{where} {text}")


def vet(spec: Any, path: Path = ()) -> None:
    """Raise Fault on the first field of a spec, or of what it holds, that isn't what it must be."""
    for f in fields(spec):
        value, here = getattr(spec, f.name), (*path, f.name)
        holds, what = RULES.get(f.name, (_anything, ""))
        if not holds(value):
            raise Fault(here, f"must be {what}, not {_shown(value)}")
        for step, part in _parts(value):
            vet(part, (*here, *step))
        if f.name in ("recipe", "set", "recipes"):
            _vet_settings(value, here)
        if f.name == "treatments":
            for name, part in value.items():
                _vet_settings(part, (*here, name))
    if isinstance(spec, TaskSpec) and spec.monitor not in ("", *(m.name for m in (spec.metric, *spec.metrics))):
        raise Fault((*path, "monitor"), f"must be the name of one of the task's metrics, not {spec.monitor!r}")


def vet_answer(field: str, value: Any) -> None:
    """Raise Fault unless what a function in a field's place gave is what the field itself could be."""
    holds, what = RULES[field]
    if callable(value) or not holds(value):
        raise Fault((field,), f"must give {what}, not {_shown(value)}")
    for step, part in _parts(value):
        vet(part, (field, *step))


def _parts(value: Any) -> Iterator[tuple[Path, Any]]:
    """The specs inside a field."""
    if isinstance(value, PARTS):
        yield (), value
    elif isinstance(value, (list, tuple)):
        yield from (((i,), part) for i, part in enumerate(value) if isinstance(part, PARTS))


def _vet_settings(settings: Mapping[Any, Any], path: Path) -> None:
    """That the recipe takes these settings; where it doesn't, the one that it doesn't take."""
    if path[-1] == "recipes":
        for owner, part in settings.items():
            name = getattr(owner, "__name__", owner)
            for key in part:
                if key not in MODEL_KEYS and key.partition(".")[2] not in PART_KEYS:
                    raise Fault((*path, name, key), f"can't be set by a model: it may set {', '.join(MODEL_KEYS)}")
            _vet_settings(part, (*path, name))
        return
    try:
        resolve([("", settings)])
    except UsageError as error:
        key = next((key for key, value in settings.items() if not _resolves({key: value})), None)
        raise Fault(path if key is None else (*path, key), f"is wrong: {error}") from error


def _resolves(settings: Mapping[str, Any]) -> bool:
    try:
        resolve([("", settings)])
    except UsageError:
        return False
    return True


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


# --- what a field may hold --------------------------------------------------------------------------------


def _anything(_value: Any) -> bool:
    return True


def _text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _inside(value: Any) -> bool:
    return _text(value) and value != "" and value[0] not in "/\\" and ":" not in value and ".." not in value.split("/")


def _name(value: Any) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _function(value: Any) -> bool:
    try:
        inspect.signature(value)
    except (TypeError, ValueError):
        return False
    return True


def _settings(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _treatments(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and name.strip() != "" and name.isprintable() and _settings(part)
        for name, part in value.items()
    )


def _recipes(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        (isinstance(key, str) or _subclass(Kind)(key)) and _settings(part) for key, part in value.items()
    )


def _subclass(of: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, type) and issubclass(value, of)


def _is(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


def _either(*rules: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: any(rule(value) for rule in rules)


def _none(value: Any) -> bool:
    return value is None


def _each(rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (list, tuple)) and all(map(rule, value))


def _pair(value: Any) -> bool:
    return _each(_subclass(Kind))(value) and len(value) == 2 and all(map(issubclass, value, (InputKind, OutputKind)))


def seed_is_fine(value: Any) -> bool:
    """Whether a number can be a seed: a whole one that every reader of a record can hold."""
    return type(value) is int and 0 <= value < LARGEST_SEED


def _seeds(value: Any) -> bool:
    count = _count(value) and value <= MOST_SEEDS
    return count or (_each(seed_is_fine)(value) and 0 < len(value) <= MOST_SEEDS)


PARTS = (Metric, Reference, DataSet, DataFile, Block, ProfileProtocol)
TABLE: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("name", _name, "a text of letters, digits and _ . + - : without blanks, brackets, slashes or commas"),
    ("family paper unit version description monitor wraps source licence variant sha256", _text, "a text on one line"),
    ("path", _inside, "a path relative to the data root, with forward slashes"),
    ("preload urls models tasks", _each(_text), "a tuple of texts"),
    ("build load", _function, "a function whose parameters can be read"),
    ("why_not", _either(_none, _function), "None or a function of input kind, output kind and runtime"),
    ("accepts", _each(_pair), "a list of pairs of an input kind's and an output kind's class"),
    ("input_kind", _subclass(InputKind), "the class of an input kind"),
    ("output_kind", _subclass(OutputKind), "the class of an output kind"),
    ("metric", _is(Metric), "a Metric"),
    ("metrics", _each(_is(Metric)), "a tuple of Metric"),
    ("milestones", _each(_number), "a tuple of finite numbers"),
    ("floor", _either(_none, _number, _function), "a finite number, None, or a function of the options"),
    ("value", _number, "a finite number"),
    ("bound", _either(_none, _number), "None or a finite number"),
    ("reference", _either(_none, _is(Reference)), "None or a Reference"),
    ("folds", _either(_count, _function), "a whole number of at least 1, or a function of the options"),
    ("flags", _either(_each(_text), _function), "a tuple of texts, or a function of the options"),
    ("data", _either(_none, _is(DataSet), _function), "None, a DataSet, or a function of the options"),
    ("datasets alternatives", _each(_is(DataSet)), "a tuple of DataSet"),
    ("files", _each(_is(DataFile)), "a tuple of DataFile"),
    ("higher_is_better heavy closure profiles", _is(bool), "True or False"),
    ("member", _either(_none, _text), "None or a text"),
    ("inner", _none, "None: the catalog fills it in"),
    ("recipe set", _settings, "a mapping from keys of the recipe to values"),
    ("treatments", _treatments, "a mapping from a name on one line to settings"),
    ("recipes", _recipes, "a mapping from a task's name or a kind's class to settings"),
    ("blocks", lambda value: bool(value) and _each(_is(Block))(value), "a tuple of at least one Block"),
    ("seeds", _seeds, f"a count up to {MOST_SEEDS}, or a list of whole numbers from 0 on below 2**53"),
    ("profile", _is(ProfileProtocol), "a ProfileProtocol"),
    ("rounds launches", _count, "a whole number of at least 1"),
    ("block_s", lambda value: _number(value) and value > 0, "a number above 0"),
    ("warmup_s", lambda value: _number(value) and value >= 0, "a number of at least 0"),
)
RULES = {field: (rule, what) for names, rule, what in TABLE for field in names.split()}
