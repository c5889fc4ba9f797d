"""Recipe: how a model is trained. It is resolved from layers of flat settings, strongest last, and remembers who
set what.

A layer is a mapping from the keys of `--set` to values: `{"optimizer": "sgd[momentum=0.9]", "lr": 0.1,
"budget.epochs": 200, "discriminator.lr": 2e-4}`. A key `PART.KEY` holds for one part of the learner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..errors import UsageError, unknown
from .choice import Choice, parse_value, split_outside_brackets

Settings = Mapping[str, Any]
BUDGETS = ("epochs", "steps", "seconds")
PARAMS = "budget.params"
INIT = Choice("own")
MOST = 10**9  # of whatever is counted: a slip of the keyboard, not a wish
ALL = MOST  # examples in a batch
PART_KEYS = ("optimizer", "lr", "weight_decay", "schedule", "clip")
PROFILE_KEYS = ("optimizer", "batch_size", "regularizers", "clip", "weight_decay")  # and the parts': what a step costs
MODEL_KEYS = (*PART_KEYS, "regularizers")  # budget, batch size and selection are never the model's


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides how training goes. Budget: exactly one of epochs, steps, seconds (of the training
    clock). `evaluate_every` counts epochs for an epoch budget and steps for the others; None means every epoch, or a
    tenth of the budget. `params`: resize the model's width until it has about so many parameters. `select`: judge the
    state that was `best` on validation, by the metric that the task monitors, or the `last`. `patience`: stop after so
    many evaluations without a better one. `init`: what the weights are before the first step; `own`: what the model
    makes them. `batch_size`: ALL for all training examples in one batch. `clip`: largest gradient norm.
    `weight_decay`: None leaves the optimizer its own default."""

    optimizer: Choice = Choice("adam")
    lr: float = 1e-3
    weight_decay: float | None = None
    schedule: Choice = Choice("constant")
    clip: float | None = None
    batch_size: int = 128
    budget: tuple[str, float] = ("epochs", 10)
    regularizers: tuple[Choice, ...] = ()
    select: str = "best"
    patience: int | None = None
    evaluate_every: int | None = None
    params: int | None = None
    init: Choice = INIT
    parts: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = ()

    def part(self, name: str) -> Recipe:
        """The recipe of one part: this one with the part's own settings on top."""
        return replace(self, **dict(dict(self.parts).get(name, ())), parts=())

    def as_settings(self) -> dict[str, Any]:
        """The flat form, JSON-ready; `resolve([("x", r.as_settings())])` gives the recipe back."""
        flat: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "budget":
                flat[f"budget.{value[0]}"] = value[1]
            elif f.name == "params":
                flat |= {PARAMS: value} if value is not None else {}
            elif f.name == "init":
                flat |= {"init": str(value)} if value != INIT else {}
            elif f.name == "batch_size":
                flat["batch_size"] = "all" if value == ALL else value
            elif f.name == "parts":
                flat |= {f"{part}.{key}": _plain(v) for part, items in value for key, v in items}
            else:
                flat[f.name] = _plain(value)
        return flat


@dataclass(frozen=True)
class Resolved:
    """A recipe and, for each key of its flat form, the layer that set it."""

    recipe: Recipe
    layers: Mapping[str, str] = field(default_factory=dict)


def resolve(layers: Iterable[tuple[str, Settings]]) -> Resolved:
    """Merge layers (weakest first) over the core's defaults; raises UsageError on an unknown key or a bad value."""
    recipe = Recipe()
    origin = dict.fromkeys(recipe.as_settings(), "core default")
    for name, settings in layers:
        budgets = [key for key in settings if key.startswith("budget.") and key != PARAMS]
        if len(budgets) > 1:
            raise UsageError(f"{' and '.join(budgets)} are given together: a recipe has one of them")
        for key, value in settings.items():
            recipe = _set(recipe, key, value)
            if key.startswith("budget.") and key != PARAMS:
                origin = {k: v for k, v in origin.items() if not k.startswith("budget.") or k == PARAMS}
            origin[key] = name
    return Resolved(recipe, origin)


def profile_settings(settings: Settings) -> dict[str, Any]:
    """Of a recipe's flat form, what can change the speed or memory of a step."""
    keep = (*PROFILE_KEYS, PARAMS)
    return {k: v for k, v in settings.items() if k in keep or ("." in k and not k.startswith("budget."))}


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Read the `KEY=VALUE` texts of `--set`."""
    settings = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"can't read --set {text!r}: write KEY=VALUE")
        settings[key.strip()] = value.strip()
    resolve([("command line", settings)])
    return settings


def _set(recipe: Recipe, key: str, value: Any) -> Recipe:
    head, dot, tail = key.partition(".")
    if key == PARAMS:
        return replace(recipe, params=_optional(_size)(key, value))
    if head == "budget" and dot:
        if tail not in BUDGETS:
            raise unknown("budget", tail, (*BUDGETS, "params"))
        if (budget := _positive(key, value)) > MOST:
            raise UsageError(f"recipe key {key!r} needs a number up to {MOST}, not {value!r}")
        return replace(recipe, budget=(tail, budget))
    if dot:
        if tail not in PART_KEYS:
            raise unknown(f"recipe key for the part {head!r}", tail, PART_KEYS)
        parts = {name: dict(items) for name, items in recipe.parts}
        parts.setdefault(head, {})[tail] = READERS[tail](key, value)
        return replace(recipe, parts=tuple((p, tuple(sorted(s.items()))) for p, s in sorted(parts.items())))
    if key not in READERS:
        raise unknown("recipe key", key, [*READERS, *(f"budget.{b}" for b in BUDGETS), PARAMS])
    return replace(recipe, **{key: READERS[key](key, value)})


def _plain(value: Any) -> Any:
    if isinstance(value, Choice):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _number(key: str, value: Any) -> float:
    value = parse_value(value) if isinstance(value, str) else value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise UsageError(f"recipe key {key!r} needs a number of at least 0, not {value!r}")
    return float(value)


def _positive(key: str, value: Any) -> float:
    number = _number(key, value)
    if number == 0:
        raise UsageError(f"recipe key {key!r} needs a number above 0")
    return number


def _count(key: str, value: Any) -> int:
    number = _positive(key, value)
    if number != int(number) or number > MOST:
        raise UsageError(f"recipe key {key!r} needs a whole number up to {MOST}, not {value!r}")
    return int(number)


def _batch_size(key: str, value: Any) -> int:
    return ALL if value == "all" else _count(key, value)


def _size(key: str, value: Any) -> int:
    """A count that may end in k or M."""
    text = str(value).strip()
    factor = {"k": 1_000, "K": 1_000, "M": 1_000_000}.get(text[-1:], 1)
    size = round(_positive(key, text[:-1] if factor > 1 else value) * factor)
    if not 1 <= size <= 1000 * MOST:
        raise UsageError(f"recipe key {key!r} needs 1 to {1000 * MOST} parameters, not {value!r}")
    return size


def _optional(read: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda key, value: None if value is None or str(value).lower() == "none" else read(key, value)


def _choice(_key: str, value: Any) -> Choice:
    return Choice.parse(value)


def _choices(key: str, value: Any) -> tuple[Choice, ...]:
    if isinstance(value, str):
        value = [] if value.lower() == "none" else split_outside_brackets(value)
    if not isinstance(value, (list, tuple)):
        raise UsageError(f"recipe key {key!r} takes a list of names, not {value!r}")
    return tuple(Choice.parse(item) for item in value)


def _select(key: str, value: Any) -> str:
    if value not in ("best", "last"):
        raise UsageError(f"recipe key {key!r} is 'best' or 'last', not {value!r}")
    return str(value)


READERS: dict[str, Callable[[str, Any], Any]] = {
    "optimizer": _choice,
    "lr": _positive,
    "weight_decay": _optional(_number),
    "schedule": _choice,
    "clip": _optional(_positive),
    "batch_size": _batch_size,
    "init": _choice,
    "regularizers": _choices,
    "select": _select,
    "patience": _optional(_count),
    "evaluate_every": _optional(_count),
}
