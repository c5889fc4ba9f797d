"""`name[key=value]`: reading, writing, options of builders."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from dlbench.contract.choice import (
    Choice,
    check_options,
    format_value,
    join_choices,
    option_defaults,
    parse_value,
    split_outside_brackets,
)
from dlbench.errors import UsageError, unknown


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("mlp", "mlp", {}),
        ("mlp[]", "mlp", {}),
        (" gat[heads=4, dropout=0.5] ", "gat", {"heads": 4, "dropout": 0.5}),
        ("a[b=true,c=none,d=text,e=-1e-3,f=1e5]", "a", {"b": True, "c": None, "d": "text", "e": -1e-3, "f": 1e5}),
        ("a[inner=cosine[end=0.1],x=1]", "a", {"inner": "cosine[end=0.1]", "x": 1}),
        ("a[sizes=(64, 32),x=1]", "a", {"sizes": (64, 32), "x": 1}),
        ("timm:resnet18[drop_rate=0.1]", "timm:resnet18", {"drop_rate": 0.1}),
    ],
)
def test_a_choice_is_read_and_written_back(text: str, name: str, options: dict[str, Any]) -> None:
    choice = Choice.parse(text)
    assert (choice.name, dict(choice.options)) == (name, options)
    assert {key: type(value) for key, value in choice.options} == {key: type(v) for key, v in options.items()}
    assert Choice.parse(str(choice)) == choice


def test_the_order_of_options_does_not_matter() -> None:
    assert Choice.parse("a[x=1,b=2]") == Choice.parse("a[b=2,x=1]")
    assert str(Choice.parse("a[x=1,b=2]")) == "a[b=2,x=1]"


@pytest.mark.parametrize("text", ["mlp[width=3", "[width=3]", "mlp[width]", "mlp[=3]", "mlp[width=3]x"])
def test_a_malformed_choice_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="write "):
        Choice.parse(text)


@pytest.mark.parametrize(
    "value", [3, -2, 0.1, 1e-30, True, False, None, "word", "0.1.2", (64, 32), (1,), (), (0.5, "x")]
)
def test_values_survive_text(value: Any) -> None:
    again = parse_value(format_value(value))
    assert again == value
    assert type(again) is type(value)


def test_commas_inside_brackets_do_not_split() -> None:
    assert split_outside_brackets("l1[rate=1,x=2], ema ,, b[c[d=1,e=2]]") == ["l1[rate=1,x=2]", "ema", "b[c[d=1,e=2]]"]
    choices = [Choice.parse("ema[decay=0.5]"), Choice.parse("l2")]
    assert join_choices(choices) == "ema[decay=0.5],l2"


def test_options_are_the_keyword_only_parameters_that_nobody_bound() -> None:
    def build(signature: Any, lr: float = 1.0, *, width: int = 8, depth: int, heads: int = 2) -> None: ...

    assert option_defaults(build) == {"width": 8, "heads": 2}
    assert option_defaults(partial(build, width=16)) == {"heads": 2}
    check_options("it", build, (("heads", 4),))
    check_options("it", build, {"width": 4})
    with pytest.raises(UsageError, match="there is no option of it 'head'; did you mean 'heads'"):
        check_options("it", build, {"head": 4})


def test_a_name_far_from_all_lists_what_there_is() -> None:
    assert str(unknown("thing", "zzz", ["b", "a"])) == "there is no thing 'zzz'; known: a, b"
    assert str(unknown("thing", "zzz", [])) == "there is no thing 'zzz'; known: none"
    many = str(unknown("thing", "zzz", [f"name{i:02}" for i in range(20)]))
    assert many.endswith("name11, ...")


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("depth", "abc", "int"), ("depth", 2.5, "int"), ("depth", True, "int"), ("rate", "x", "float"),
        ("rate", False, "float"), ("both", 1, "bool"), ("pool", 3, "Literal['mean', 'first']"),
        ("size", "x", "int | None"), ("name", 3, "str"), ("maybe", "x", "Optional[float]"),
        ("either", 2.5, "typing.Union[int, str]"), ("widths", 3, "tuple[int, ...]"),
        ("widths", (3, 0.5), "tuple[int, ...]"),
        ("pair", (1, 2, 3), "tuple[int, float]"), ("pair", ("a", 2), "tuple[int, float]"),
    ],
)  # fmt: skip
def test_an_option_of_another_type_is_refused_while_planning(key: str, value: Any, wanted: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"option '{key}' of it needs {wanted}, not {format_value(value)}")):
        check_options("it", annotated, {key: value})


def test_an_option_that_fits_its_annotation_or_has_none_passes() -> None:
    fitting = {"depth": 3, "rate": 1, "both": True, "pool": "first", "size": None, "name": "x", "free": object()}
    check_options("it", annotated, fitting)
    check_options("it", annotated, {"rate": 0.5, "size": 4, "layers": "any text"})
    check_options("it", annotated, {"maybe": None, "either": "x", "widths": (), "pair": (1, 2)})
    check_options("it", annotated, {"maybe": 0.5, "either": 3, "widths": (64, 32)})
    check_options("it", annotated, Choice.parse("it[depth=2,widths=(64,32),pair=(1,0.5)]").options)


def test_annotations_that_are_objects_or_any_text_refuse_nothing_that_is_right() -> None:
    """As in a file without `from __future__ import annotations`."""

    def builder(signature, *, width=1, kind=None, words=None, note=None): ...

    builder.__annotations__ = {"width": int, "kind": Path, "words": list, "note": "how many, at most"}
    check_options("it", builder, {"width": 3, "kind": "x", "words": "y", "note": 2})
    with pytest.raises(UsageError, match="needs int, not abc"):
        check_options("it", builder, {"width": "abc"})


def annotated(
    signature: Any, *, depth: int = 1, rate: float = 0.1, both: bool = False, pool: Literal["mean", "first"] = "mean",
    size: int | None = None, name: str = "", layers: OfNoImport = None, free=None,  # noqa: F821
    maybe: Optional[float] = None, either: typing.Union[int, str] = 1,  # noqa: F821
    widths: tuple[int, ...] = (), pair: tuple[int, float] = (1, 1.0),
) -> None:  # fmt: skip
    """A builder; one of its annotations can't be evaluated here."""
