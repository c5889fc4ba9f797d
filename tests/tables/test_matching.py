"""Rows of two sides that are lined up on some keys alone: recipes, precisions, machines."""

from __future__ import annotations

from typing import Any

import pytest

from dlbench.errors import UsageError
from dlbench.results import Record
from dlbench.tables.comparison import Change, compare
from dlbench.tables.groups import groups
from dlbench.tables.matching import differing
from factories import cells, launch, profile

FIRST = [0.90, 0.91, 0.92, 0.93, 0.89]
HIGHER = [value + gain for value, gain in zip(FIRST, [0.030, 0.031, 0.029, 0.030, 0.032], strict=True)]
BF16 = {"runtime": {"precision": "bf16"}}
KEYS = ("model", "task")


def changes(old: list[Record], new: list[Record], match: tuple[str, ...] | None = KEYS) -> dict[str, Change]:
    return {change.quantity: change for change in compare({"quick": old}, {"quick": new}, match)}


def speed(seconds: float, **more: Any) -> Record:
    return profile([launch(seconds * factor) for factor in (1.0, 1.01, 0.99)], **more)


def test_two_precisions_of_the_same_rows() -> None:
    found = changes([*cells(FIRST), speed(0.02)], [*cells(HIGHER, **BF16), speed(0.01, **BF16)])
    assert set(found) == {"accuracy", "train speed", "infer speed", "memory"}
    assert (found["accuracy"].verdict, found["train speed"].verdict) == ("better", "better")
    assert found["accuracy"].effect == pytest.approx(0.0304)
    assert found["train speed"].effect == pytest.approx(0.5)
    for change in found.values():
        assert "another precision (fp32 -> bf16)" in change.why
    apart = compare({"quick": cells(FIRST)}, {"quick": cells(HIGHER, **BF16)})
    assert [change.quantity for change in apart] == ["row", "row"]


def test_two_recipes_and_two_suites() -> None:
    other = cells(HIGHER, recipe={"lr": 0.1}, variant="lr=0.1")
    (found,) = compare({"quick": cells(FIRST)}, {"custom": other}, KEYS)
    assert found.verdict == "better"
    for text in ("another suite (quick -> custom)", "another variant (none -> lr=0.1)", "the recipe changed: lr"):
        assert text in found.why


def test_two_machines_have_metrics_but_no_verdict_on_speed() -> None:
    there = {"environment": {"machine": "h100"}, "runtime": {"device": "cuda:0"}}
    found = changes([*cells(FIRST), speed(0.02)], [*cells(HIGHER, **there), speed(0.01, **there)])
    assert found["accuracy"].verdict == "better"
    assert found["train speed"].verdict == "can't tell"
    assert "another machine (epyc-2c -> h100)" in found["train speed"].why
    assert "another device (cpu -> cuda)" in found["train speed"].why


@pytest.mark.parametrize(
    ("runtime", "verdict"),
    [
        ({"threads": 2}, "can't tell"),
        ({"precision": "tf32"}, "can't tell"),
        ({"compile": True}, "better"),
        ({"device": "cuda"}, "can't tell"),
    ],
)
def test_a_speed_has_no_verdict_where_the_calibration_feels_the_difference(runtime: Any, verdict: str) -> None:
    found = changes([speed(0.02)], [speed(0.01, runtime=runtime)])["train speed"]
    assert found.verdict == verdict
    assert found.why.count(f"another {next(iter(runtime))}") == 1
    assert found.effect == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("lever", "other", "verdict"),
    [
        ({"cuda_graph": True}, "device (cuda -> cuda graph)", "better"),
        ({"compile": True, "compile_mode": "max-autotune"}, "device (cuda -> cuda max-autotune)", "better"),
        ({"matmul_precision": "high"}, "precision (fp32 -> fp32 high)", "can't tell"),
        ({"devices": 2}, "device (cuda -> cuda x2)", "can't tell"),
    ],
)
def test_a_lever_on_the_same_hardware_has_a_verdict(lever: Any, other: str, verdict: str) -> None:
    old, new = ({"device": "cuda:0", **more} for more in ({}, lever))
    found = changes([speed(0.02, runtime=old)], [speed(0.01, runtime=new)])["train speed"]
    assert (found.verdict, found.why.count(f"another {other}")) == (verdict, 1)


def test_processor_time_of_several_threads_is_never_held_against_that_of_one() -> None:
    for sides in (({"threads": 4}, {"threads": 1}), ({"threads": 1}, {"threads": 4})):
        old, new = ([speed(0.02, runtime=runtime)] for runtime in sides)
        assert changes(old, new)["train speed"].unit == "ms"


def test_an_ambiguous_match_names_what_else_differs() -> None:
    two = [*cells(FIRST), *cells(FIRST, **BF16), *cells(FIRST, **BF16, variant="lr=0.1", recipe={"lr": 0.1})]
    with pytest.raises(UsageError) as error:
        changes(cells(FIRST), two)
    text = str(error.value)
    assert "3 rows of the new results have model mlp, task digits" in text
    assert "they differ in variant (lr=0.1, none), precision (bf16, fp32): name more keys" in text
    assert "--new EXPR" in text
    with pytest.raises(UsageError, match="of the old results"):
        changes(two, cells(FIRST))
    assert len(compare({"quick": two}, {"quick": two}, (*KEYS, "precision", "variant"))) == 3


def test_rows_of_one_side_are_listed() -> None:
    found = compare({"q": cells(FIRST)}, {"q": cells(FIRST, model={"name": "other"})}, KEYS)
    assert [(c.model, c.why) for c in found] == [
        ("mlp", "only in the old results"), ("other", "only in the new results")
    ]  # fmt: skip


def test_a_key_that_is_none() -> None:
    with pytest.raises(UsageError, match="did you mean 'precision'"):
        changes(cells(FIRST), cells(FIRST), ("precison",))


def test_what_differs_in_rows() -> None:
    found = groups({"q": [*cells([0.9]), *cells([0.9], model={"options": "depth=3"})]})
    assert differing(found) == "options (depth=3, none)"
    assert differing(found[:1]) == ""
