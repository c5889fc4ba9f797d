"""A small language that says which rows are kept: `latency_p50_ms <= 2ms and (params < 1M or model ~ "res*")`.

    filter     = conjunction { "or" conjunction }
    conjunction = negation { "and" negation }
    negation   = "not" negation | "(" filter ")" | comparison
    comparison = side operator side | a column that is true or false
    operator   = "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" (matches a pattern with * ? [abc]) | "!~"
    side       = a column | a number with or without a unit | a text in quotes | true | false | none

A number without a unit is in the column's own. A comparison with an empty value (not measured) is neither true nor
false, and stays so under `not`: only what is known to hold keeps a row. `= none` asks for empty ones. Nothing is ever
evaluated as Python.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

from ..errors import UsageError, unknown
from .rendering import missing

Kind = Literal["text", "number", "flag"]
Row = Mapping[str, Any]
Test = Callable[[Row], bool | None]

TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<unit>[A-Za-z%]*)
      | (?P<text>"[^"]*"|'[^']*')
      | (?P<name>(?:time|steps)_to_-?[\d.]+(?:e[+-]?\d+)?(?:_s)?\b|[A-Za-z_][\w.]*)
      | (?P<sign><=|>=|!=|==|!~|[=<>~()])
      | (?P<other>\S)
    )""",
    re.VERBOSE,
)
WORDS = ("and", "or", "not")
CONSTANTS = {"true": True, "false": False, "none": None}
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
OPERATORS = ("=", "==", "!=", "<", "<=", ">", ">=", "~", "!~")
DEEPEST, LONGEST = 50, 10_000
TIMES = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
SIZES = {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
         "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40}  # fmt: skip
NUMBERS = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "%": 0.01}
OWN_UNITS = (("_per_s", "number", 1.0), ("_ms", "time", 1e-3), ("_s", "time", 1.0), ("_mib", "size", 2.0**20),
             ("_mb", "size", 1e6))  # fmt: skip
"""What a column holds, by the end of its name, the first that fits; any other holds plain numbers."""
SHOWN = {"time": "ms, s, m, h", "size": "kB, MB, GB, KiB, MiB, GiB", "number": "k, M, G, %"}


@dataclass(frozen=True)
class Filter:
    """What a text asks of a row, and the columns that it names."""

    text: str
    columns: frozenset[str]
    test: Test

    def __call__(self, row: Row) -> bool | None:
        """Whether the row holds it; None where an empty value leaves it open."""
        return self.test(row)


class Token(NamedTuple):
    kind: str
    text: str
    at: int
    unit: str = ""


class Side(NamedTuple):
    """One side of a comparison: a column (`name`), or a value."""

    kind: Kind | Literal["none"]
    at: int
    name: str = ""
    value: Any = None
    unit: str = ""


def parse(text: str, kinds: Mapping[str, Kind]) -> Filter:
    """Read a filter over these columns; raises UsageError, with the position, on anything else."""
    if len(text) > LONGEST:
        raise UsageError(f"a filter has at most {LONGEST} characters, not {len(text)}")
    parser = _Parser(text, kinds)
    test = parser.either(0)
    if (token := parser.next()).kind != "end":
        raise parser.error(f"expected `and`, `or` or the end, not {token.text!r}", token.at)
    return Filter(text, frozenset(parser.used), test)


def quantity(text: str, column: str) -> float:
    """A number with or without a unit, in the unit of the column; raises UsageError."""
    match = TOKEN.fullmatch(text.strip())
    if match is None or match["number"] is None:
        raise UsageError(f"{text!r} is no number for {column}; its units: {SHOWN[dimension(column)[0]]}")
    try:
        return _in_unit_of(column, float(match["number"]), match["unit"] or "")
    except ValueError as error:
        raise UsageError(f"{text!r}: {error}") from None


def dimension(column: str) -> tuple[str, float]:
    """What a column of numbers holds (`time`, `size` or `number`), and its unit in seconds, bytes or ones."""
    return next(((what, one) for end, what, one in OWN_UNITS if column.endswith(end)), ("number", 1.0))


def _in_unit_of(column: str, number: float, unit: str) -> float:
    """Raises ValueError, with the end of a sentence, on a unit that isn't one of this column's."""
    what, one = dimension(column)
    if not math.isfinite(number):
        raise ValueError("it is not finite")
    if not unit:
        return number
    known = {"time": TIMES, "size": SIZES, "number": NUMBERS}[what]
    factor = known.get(unit.lower() if what == "size" else unit)
    if factor is None:
        raise ValueError(f"{column} has no unit {unit!r}; its units: {SHOWN[what]}")
    return number * (factor / one)


class _Parser:
    def __init__(self, text: str, kinds: Mapping[str, Kind]) -> None:
        self.text, self.kinds, self.used = text, kinds, set[str]()
        self.tokens = [
            Token(str(m.lastgroup if m.lastgroup != "unit" else "number"), m["number"] or m[0].strip(),
                  m.start() + len(m[0]) - len(m[0].lstrip()) + 1, m["unit"] or "")
            for m in TOKEN.finditer(text)
        ]  # fmt: skip
        self.tokens.append(Token("end", "the end", len(text) + 1))
        self.place = 0

    def peek(self) -> Token:
        return self.tokens[self.place]

    def next(self) -> Token:
        token = self.tokens[self.place]
        self.place = min(self.place + 1, len(self.tokens) - 1)
        return token

    def error(self, why: str, at: int) -> UsageError:
        return UsageError(f"can't read the filter {self.text!r} at position {at}: {why}")

    def takes(self, word: str) -> bool:
        token = self.peek()
        if token.kind in ("name", "sign") and token.text == word:
            self.next()
            return True
        return False

    def either(self, depth: int) -> Test:
        parts = [self.both(depth)]
        while self.takes("or"):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else lambda row: _any([part(row) for part in parts])

    def both(self, depth: int) -> Test:
        parts = [self.negation(depth)]
        while self.takes("and"):
            parts.append(self.negation(depth))
        return parts[0] if len(parts) == 1 else lambda row: _all([part(row) for part in parts])

    def negation(self, depth: int) -> Test:
        if depth > DEEPEST:
            raise self.error(f"more than {DEEPEST} levels of `not` and parentheses", self.peek().at)
        if self.takes("not"):
            inner = self.negation(depth + 1)
            return lambda row: _not(inner(row))
        opening = self.peek()
        if self.takes("("):
            inside = self.either(depth + 1)
            if not self.takes(")"):
                raise self.error(f"the parenthesis opened at position {opening.at} isn't closed", self.peek().at)
            return inside
        return self.comparison()

    def comparison(self) -> Test:
        left, token = self.side(), self.peek()
        if token.text not in OPERATORS or token.kind != "sign":
            if left.name and left.kind == "flag":
                return lambda row: None if missing(row.get(left.name)) else bool(row[left.name])
            raise self.error(f"expected one of {' '.join(OPERATORS)}, not {token.text!r}", token.at)
        self.next()
        right = self.side()
        if not (left.name or right.name):
            raise self.error("a comparison needs a column on one side", left.at)
        return self.compared(left, {"==": "="}.get(token.text, token.text), right, token.at)

    def side(self) -> Side:
        token = self.next()
        if token.kind == "number":
            return Side("number", token.at, value=float(token.text), unit=token.unit)
        if token.kind == "text":
            return Side("text", token.at, value=token.text[1:-1])
        if token.kind == "name" and token.text in CONSTANTS:
            value = CONSTANTS[token.text]
            return Side("none" if value is None else "flag", token.at, value=value)
        if token.kind != "name" or token.text in WORDS:
            raise self.error(f"expected a column, a number or a text in quotes, not {token.text!r}", token.at)
        if token.text not in self.kinds:
            raise self.error(f"{unknown('column', token.text, self.kinds)} (a text stands in quotes)", token.at)
        self.used.add(token.text)
        return Side(self.kinds[token.text], token.at, name=token.text)

    def compared(self, left: Side, sign: str, right: Side, at: int) -> Test:
        if "none" in (left.kind, right.kind):
            column = left.name or right.name
            if sign not in ("=", "!="):
                raise self.error(f"none goes with = and !=, not with {sign}", at)
            return lambda row: _empty(row.get(column)) == (sign == "=")
        if left.kind != right.kind:
            kinds = " and ".join({"text": "a text", "number": "a number", "flag": "true or false"}[s.kind]
                                 for s in (left, right))  # fmt: skip
            raise self.error(f"{kinds} can't be compared", at)
        if sign not in {"text": ("=", "!=", "~", "!~"), "flag": ("=", "!=")}.get(left.kind, ("=", "!=", *COMPARED)):
            raise self.error(f"{ {'text': 'texts', 'flag': 'true and false'}.get(left.kind, 'numbers')} "
                             f"don't go with {sign}", at)  # fmt: skip
        if "~" in sign and right.name:
            raise self.error(f"a text in quotes stands right of {sign}", right.at)
        first, second = self.reader(left, right), self.reader(right, left)

        def test(row: Row) -> bool | None:
            a, b = first(row), second(row)
            return None if missing(a) or missing(b) else _holds(a, sign, b)

        return test

    def reader(self, side: Side, other: Side) -> Callable[[Row], Any]:
        """How to read a side, of numbers in the unit of the left column, or of the only one."""
        if not side.name:
            if side.kind != "number":
                return lambda row: side.value
            try:
                value = _in_unit_of(other.name, side.value, side.unit)
            except ValueError as error:
                raise self.error(str(error), side.at) from None
            return lambda row: value
        if side.kind != "number" or not other.name:
            return lambda row: row.get(side.name)
        (mine, one), (theirs, _) = dimension(side.name), dimension(other.name)
        if mine != theirs:
            raise self.error(f"a {mine} and a {theirs} can't be compared", side.at)
        return lambda row: None if missing(row.get(side.name)) else row[side.name] * one


def _holds(a: Any, sign: str, b: Any) -> bool:
    if sign in ("~", "!~"):
        return fnmatchcase(str(a), str(b)) == (sign == "~")
    numbers = isinstance(a, (int, float)) and not isinstance(a, bool)
    same = math.isclose(a, b, rel_tol=1e-12) if numbers else a == b
    if sign in ("=", "!="):
        return bool(same) == (sign == "=")
    return sign in ("<=", ">=") if same else bool(COMPARED[sign](a, b))


def _empty(value: Any) -> bool:
    return missing(value) or value == ""


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _all(values: list[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def _any(values: list[bool | None]) -> bool | None:
    return True if True in values else None if None in values else False
