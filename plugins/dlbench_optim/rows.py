"""What a row of the table of optimizers says, and the signature of the builder that is made from it. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any

SPELLED_OUT = {
    "betas": ("beta1", "beta2", "beta3"),
    "etas": ("eta_minus", "eta_plus"),
    "step_sizes": ("step_min", "step_max"),
    "eps": ("eps1", "eps2"),
}
"""Options that a library takes as a tuple, and the names of its places here: texts in brackets hold no tuples."""


@dataclass(frozen=True)
class Maybe:
    """An option of a type that may also be none, and its default."""

    type: str
    default: Any = None


Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """An optimizer of a library.

    `name` is ours, `target` the library's: a class of `torch.optim`, or what timm's `create_optimizer_v2` calls it.
    `options`: their defaults, which also say their types; tuples are spelled out. `fused`: the devices on which torch's
    fused kernel is taken where nothing else is asked. `closure`: whether it evaluates its loss several times a step.
    """

    name: str
    target: str
    options: Options
    paper: str
    doc: str
    fused: tuple[str, ...] = ()
    closure: bool = False


def signature_of(options: Options) -> Signature:
    """`(params, lr, *, option: type = default, ...)`, as a builder written by hand has it."""
    places = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ("params", "lr")]
    return Signature([*places, *(_parameter(name, value) for name, value in options.items())])


def values_of(options: Options, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, over the defaults, as a library takes it: places side by side are one tuple again."""
    flat = {name: value.default if isinstance(value, Maybe) else value for name, value in options.items()} | given
    for packed, names in SPELLED_OUT.items():
        places = [flat.pop(name) for name in names if name in flat]
        if places:
            flat[packed] = tuple(places)
    return flat


def _parameter(name: str, value: Any) -> Parameter:
    default = value.default if isinstance(value, Maybe) else value
    type_name = f"{value.type} | None" if isinstance(value, Maybe) else type(value).__name__
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=type_name)
