"""What plugins import stays: every name and parameter of tests/docs/api.txt is there, until API_VERSION is raised.

After an addition, and after a removal for which the version was raised, the file is written anew:

    python tests/docs/test_api.py
"""

from __future__ import annotations

from pathlib import Path

import pytest
from docpages import load

import dlbench

PINNED = Path(__file__).with_name("api.txt")


def split(line: str) -> tuple[str, list[str]]:
    name, _, rest = line.partition("(")
    return name, [word for word in rest.rstrip(")").split(", ") if word]


def broken(before: list[str], now: list[str]) -> str:
    """What of a signature a caller from before can no longer rely on; empty where all is well."""
    known = {word.rstrip("="): word for word in now}
    for word in before:
        name = word.rstrip("=")
        if name not in known:
            return f"{name} is gone"
        if word.endswith("=") and not known[name].endswith("="):
            return f"{name} must be given now"
    old = {word.rstrip("=") for word in before}
    added = [word for word in now if word not in old and word[0] != "*" and not word.endswith("=")]
    if missing := [word for word in added if word.rstrip("=") not in old]:
        return f"{missing[0]} is new and must be given"
    places = positional(before)
    return "" if places == positional(now)[: len(places)] else "its positions have changed"


def positional(words: list[str]) -> list[str]:
    """The parameters that may be given by position alone."""
    stars = [i for i, word in enumerate(words) if word[0] == "*"]
    return [word.rstrip("=") for word in words[: min(stars, default=len(words))]]


def test_every_pinned_name_is_there_with_its_parameters() -> None:
    version, *pinned = PINNED.read_text().splitlines()
    if version != f"version {dlbench.API_VERSION}":
        pytest.fail(f"write {PINNED.name} anew: it is of {version}")
    now = dict(map(split, load("api").everything()))
    assert len(pinned) > 180
    faults = {}
    for name, before in map(split, pinned):
        fault = broken(before, now[name]) if name in now else "it is gone"
        if fault:
            faults[name] = fault
    assert faults == {}, "raise dlbench.API_VERSION, or keep what plugins use"


def test_what_is_new_is_pinned_too() -> None:
    pinned = dict(map(split, PINNED.read_text().splitlines()[1:]))
    now = dict(map(split, load("api").everything()))
    assert pinned == now, "run: python tests/docs/test_api.py"


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ("(a, b=)", "(a, b=)", ""), ("(a, b=)", "(a, b=, c=, *, d=)", ""), ("(a)", "(a=)", ""),
        ("(a, b=)", "(a)", "b is gone"), ("(a, b=)", "(a, b)", "b must be given now"),
        ("(a)", "(a, *, b)", "b is new and must be given"), ("(a, b)", "(b, a)", "its positions have changed"),
        ("(*, a, b=)", "(*, b=, a)", ""), ("(a, *args)", "(a)", "*args is gone"),
    ],
)  # fmt: skip
def test_what_breaks_a_caller_is_seen(before: str, now: str, said: str) -> None:
    assert broken(split(f"f{before}")[1], split(f"f{now}")[1]) == said


if __name__ == "__main__":
    text = "\n".join([f"version {dlbench.API_VERSION}", *load("api").everything()])
    PINNED.write_text(text + "\n")
