"""dlbench.tables.filters: what a filter keeps, and what it says to what it can't read."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dlbench.errors import UsageError
from dlbench.tables.filters import Kind, parse, quantity

KINDS: dict[str, Kind] = {
    "model": "text", "flags": "text", "mean": "number", "params": "number", "latency_p50_ms": "number",
    "train_s": "number", "train_peak_mib": "number", "infer_peak_mib": "number", "size_mb": "number",
    "infer_examples_per_s": "number", "time_to_-0.5_s": "number", "steps_to_1e-05": "number", "compile": "flag",
}  # fmt: skip
ROW: dict[str, Any] = {
    "model": "resnet20", "flags": "noisy provisional", "mean": 0.9, "params": 200_000, "latency_p50_ms": 2.0,
    "train_s": 600.0, "train_peak_mib": 2048.0, "infer_peak_mib": 1.0, "size_mb": 0.8,
    "infer_examples_per_s": 5000.0, "time_to_-0.5_s": math.nan, "steps_to_1e-05": 40.0, "compile": False,
}  # fmt: skip


def keeps(text: str, **changes: Any) -> bool | None:
    return parse(text, KINDS)({**ROW, **changes})


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("latency_p50_ms <= 2ms", True),
        ("latency_p50_ms < 2ms", False),
        ("latency_p50_ms = 0.002s", True),
        ("latency_p50_ms <= 1999us", False),
        ("latency_p50_ms >= 2", True),
        ("2ms >= latency_p50_ms", True),
        ("train_s <= 10m", True),
        ("train_s < 10min", False),
        ("train_s < 0.2h", True),
        ("train_peak_mib <= 2GiB", True),
        ("train_peak_mib <= 2GB", False),
        ("train_peak_mib > 2gb", True),
        ("size_mb < 1MB", True),
        ("size_mb < 781.25KiB", False),
        ("size_mb = 781.25KiB", True),
        ("params < 1M", True),
        ("params = 200k", True),
        ("params != 2e5", False),
        ("infer_examples_per_s >= 5k", True),
        ("mean >= 90%", True),
        ("mean > 90 %", None),  # the unit stands at its number,
        ('model = "resnet20"', True),
        ("model == 'resnet20'", True),
        ('model ~ "res*"', True),
        ('model ~ "RES*"', False),
        ('model !~ "res*"', False),
        ('flags ~ "*noisy*" and flags !~ "*unusable*"', True),
        ("infer_peak_mib < train_peak_mib", True),
        ("infer_peak_mib < size_mb", False),
        ("compile", False),
        ("not compile", True),
        ("compile = false", True),
        ("compile != false", False),
        ("mean = none", False),
        ("mean != none", True),
        ("time_to_-0.5_s = none", True),
        ("steps_to_1e-05 <= 40", True),
        ("params < 1k or mean > 0.5 and train_s < 1h", True),
        ("(params < 1k or mean > 0.5) and train_s < 1m", False),
        ("not (params < 1k or mean > 0.95)", True),
        ("not not compile", False),
    ],
)
def test_what_a_filter_keeps(text: str, kept: bool | None) -> None:
    if kept is None:
        with pytest.raises(UsageError):
            keeps(text)
    else:
        assert keeps(text) is kept


def test_what_is_not_measured_is_neither_true_nor_false() -> None:
    for text in ("mean > 0.5", "not mean > 0.5", "mean = 0.9", "mean != 0.9", "mean > 0.5 and params < 1M"):
        assert keeps(text, mean=None) is None, text
        assert keeps(text, mean=math.nan) is None, text
    assert keeps("mean > 0.5 or params < 1M", mean=None) is True
    assert keeps("mean > 0.5 and params > 1M", mean=None) is False
    assert keeps("mean = none and params < 1M", mean=None) is True
    assert keeps('flags = ""', flags="") is True
    assert keeps("flags = none", flags="") is True


def test_pandas_own_empty_value_is_one() -> None:
    import pandas as pd

    assert keeps("params < 1M", params=pd.NA) is None
    assert keeps("compile", compile=pd.NA) is None


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("latncy_p50_ms < 2ms", 1, "did you mean 'latency_p50_ms'?"),
        ("mean > 0.5 and  modle = 'a'", 17, "did you mean 'model'?"),
        ("model = resnet20", 9, "a text stands in quotes"),
        ("params < 1m", 10, "params has no unit 'm'; its units: k, M, G, %"),
        ("train_s < 1M", 11, "its units: ms, s, m, h"),
        ("size_mb < 2ms", 11, "its units: kB, MB"),
        ("2 < 3", 1, "needs a column"),
        ("model < 'a'", 7, "texts don't go with <"),
        ("mean ~ 3", 6, "numbers don't go with ~"),
        ("compile > true", 9, "true and false don't go with >"),
        ("mean = 'x'", 6, "a number and a text can't be compared"),
        ("mean < none", 6, "none goes with = and !="),
        ("model ~ flags", 9, "a text in quotes stands right of ~"),
        ("train_s < train_peak_mib", 1, "a time and a size can't be compared"),
        ("(mean > 1", 10, "opened at position 1 isn't closed"),
        ("mean > 1)", 9, "not ')'"),
        ("mean > 1 mean", 10, "expected `and`, `or` or the end"),
        ("mean", 5, "expected one of = =="),
        ("1 < mean < 2", 10, "not '<'"),
        ("", 1, "expected a column"),
        ("   ", 4, "expected a column"),
        ("mean > 1 and", 13, "not 'the end'"),
        ("and", 1, "expected a column"),
        ("mean >", 7, "not 'the end'"),
        ("model = 'open", 9, 'not "\'"'),
        ("__import__('os')", 1, "there is no column '__import__'"),
        ("mean.real > 1", 1, "there is no column 'mean.real'"),
        ("mean > 1; params > 1", 9, "not ';'"),
        ("params < 1e999", 10, "not finite"),
        ("(" * 100 + "mean > 1" + ")" * 100, 52, "more than 50 levels"),
        ("not " * 100_000 + "compile", None, "at most 10000 characters"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_position(text: str, position: int | None, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text, KINDS)
    assert said in str(error.value)
    assert position is None or f"at position {position}:" in str(error.value)


def test_the_columns_that_a_filter_names_are_known() -> None:
    assert parse("not compile and (params < 1M or mean = none)", KINDS).columns == {"compile", "params", "mean"}


def test_quantities_are_in_the_unit_of_their_column() -> None:
    assert quantity("2ms", "latency_p50_ms") == 2
    assert quantity("0.5s", "latency_p50_ms") == 500
    assert quantity("10m", "train_s") == 600
    assert quantity("2GiB", "train_peak_mib") == 2048
    assert quantity("1MB", "size_mb") == 1
    assert quantity("1M", "params") == 1e6
    assert quantity(" 3 ", "latency_p50_ms") == 3
    for text, column in (("1m", "params"), ("1M", "train_s"), ("much", "params"), ("", "params"), ("1 2", "params")):
        with pytest.raises(UsageError):
            quantity(text, column)
