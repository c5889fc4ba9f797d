"""`name[key=value,...]`: how a model, a task, an optimizer or a schedule is chosen, in text and in code."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..errors import UsageError, unknown

Options = tuple[tuple[str, Any], ...]
TYPES = (bool, int, float, str)
"""What an option's annotation is held against."""


@dataclass(frozen=True)
class Choice:
    """A name and its options, sorted by key, so that equal choices are equal."""

    name: str
    options: Options = ()

    @classmethod
    def parse(cls, text: str | Choice) -> Choice:
        """Read `gat[heads=4,dropout=0.5]`; raises UsageError on a malformed text."""
        if isinstance(text, Choice):
            return text
        if not isinstance(text, str):
            raise UsageError(f"can't read {text!r}: write NAME or NAME[key=value,...]")
        text = text.strip()
        if "[" not in text:
            return cls(text)
        name, _, rest = text.partition("[")
        if not name or not rest.endswith("]"):
            raise UsageError(f"can't read {text!r}: write NAME or NAME[key=value,...]")
        options = {}
        for item in split_outside_brackets(rest[:-1]):
            key, equals, value = item.partition("=")
            if not equals or not key.strip():
                raise UsageError(f"can't read {item!r} in {text!r}: write key=value")
            options[key.strip()] = parse_value(value.strip())
        return cls(name, tuple(sorted(options.items())))

    def __str__(self) -> str:
        if not self.options:
            return self.name
        return f"{self.name}[{self.options_text}]"

    @property
    def options_text(self) -> str:
        """The options alone, as in `heads=4,dropout=0.5`; empty where there are none."""
        return ",".join(f"{key}={format_value(value)}" for key, value in self.options)


def split_outside_brackets(text: str, separator: str = ",") -> list[str]:
    """Split at `separator`, leaving what stands inside [...] or (...) alone."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char in "[(") - (char in "])")
        if char == separator and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def parse_value(text: str) -> Any:
    """An int, a float, true / false, none, a tuple of these as in (64,32), or the text itself."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    if text.startswith("(") and text.endswith(")"):
        return tuple(parse_value(part) for part in split_outside_brackets(text[1:-1]))
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def format_value(value: Any) -> str:
    """The text that `parse_value` reads back."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"({','.join(map(format_value, value))})"
    return repr(value) if isinstance(value, float) else str(value)


def option_defaults(builder: Callable[..., Any]) -> dict[str, Any]:
    """The options of a builder or loader: its keyword-only parameters with a default, and their defaults."""
    bound = builder.keywords if isinstance(builder, partial) else {}
    parameters = inspect.signature(builder).parameters.values()
    return {
        p.name: p.default
        for p in parameters
        if p.kind is p.KEYWORD_ONLY and p.default is not p.empty and p.name not in bound
    }


def only_defaults(builder: Callable[..., Any], options: Options) -> bool:
    """Whether the options say nothing that the builder or loader wouldn't do without them."""
    known = option_defaults(builder)
    return all(key in known and known[key] == value for key, value in options)


def check_options(owner: str, builder: Callable[..., Any], options: Options | Mapping[str, Any]) -> None:
    """Raise UsageError unless every option is one of the builder's, and of the type that it is annotated with."""
    known = option_defaults(builder)
    for key, value in options.items() if isinstance(options, Mapping) else options:
        if key not in known:
            raise unknown(f"option of {owner}", key, known)
        if (wanted := _annotation(builder, key)) and not _fits(value, wanted):
            raise UsageError(f"option {key!r} of {owner} needs {wanted}, not {format_value(value)}")


def _annotation(builder: Callable[..., Any], key: str) -> str:
    """As text, never evaluated: it may name what only a type checker imports."""
    found = inspect.signature(builder).parameters[key].annotation
    if found is inspect.Parameter.empty:
        return ""
    return found if isinstance(found, str) else inspect.formatannotation(found)


def _fits(value: Any, annotation: str) -> bool:
    """Whether a value is of a type, or one of several; what isn't plain fits whatever is asked."""
    try:
        node = ast.parse(annotation, mode="eval").body
    except SyntaxError:  # any text may stand there
        return True
    return _is(value, node)


def _is(value: Any, node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):  # a | b
        return _is(value, node.left) or _is(value, node.right)
    if isinstance(node, ast.Constant) and node.value is None:
        return value is None
    if isinstance(node, ast.Name) and (plain := {kind.__name__: kind for kind in TYPES}.get(node.id)):
        return isinstance(value, (int, float) if plain is float else plain) and isinstance(value, bool) == (
            plain is bool
        )
    if isinstance(node, ast.Subscript):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _is_one_of(value, ast.unparse(node.value).rpartition(".")[2], parts)
    return True


def _is_one_of(value: Any, outer: str, parts: list[ast.expr]) -> bool:
    """Whether a value fits `outer[parts]`: Literal, Optional, Union, tuple; True for others."""
    if outer == "Literal":
        return value in [ast.literal_eval(part) for part in parts]
    if outer in ("Optional", "Union"):
        return (outer == "Optional" and value is None) or any(_is(value, part) for part in parts)
    if outer not in ("tuple", "Tuple"):
        return True
    if not isinstance(value, tuple):
        return False
    if len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is Ellipsis:
        return all(_is(item, parts[0]) for item in value)
    return len(value) == len(parts) and all(map(_is, value, parts))


def join_choices(choices: Iterable[Choice]) -> str:
    """Several choices as one text, as `regularizers` takes them."""
    return ",".join(str(choice) for choice in choices)
