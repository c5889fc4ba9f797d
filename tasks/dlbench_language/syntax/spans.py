"""Spans of words by their tags `O`, `B-` and `I-`: counted, and compared. No torch."""

from __future__ import annotations

from collections.abc import Sequence

Span = tuple[str, int, int]
"""Type, first place, and the place after the last."""


def spans(tags: Sequence[str]) -> set[Span]:
    """By the rules of conlleval (Tjong Kim Sang and Buchholz 2000, "Introduction to the CoNLL-2000 Shared Task:
    Chunking"): a span goes on while `I-` of its type follows, and an `I-` that continues nothing opens one."""
    found = set()
    start, kind = 0, ""
    for place, tag in enumerate((*tags, "O")):
        prefix, _, name = tag.partition("-")
        if kind and (prefix != "I" or name != kind):
            found.add((kind, start, place))
            kind = ""
        if prefix != "O" and not kind:
            start, kind = place, name
    return found


def span_f1(gold: Sequence[Sequence[str]], answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """`f1`, `precision` and `recall` over the spans of all sentences. A span is right where its type and both ends are;
    0 where there is nothing to divide by."""
    true = said = right = 0
    for truth, answer in zip(gold, answers, strict=True):
        expected, found = spans(truth), spans(answer)
        true, said, right = true + len(expected), said + len(found), right + len(expected & found)
    return {
        "f1": 2 * right / max(true + said, 1), "precision": right / max(said, 1), "recall": right / max(true, 1),
    }  # fmt: skip
