"""Chunks of labels: how well they are found."""

from __future__ import annotations


def chunk_f1(gold: list[list[str]], answers: list[list[str]]) -> dict[str, float]:
    """`f1`: the harmonic mean of precision and recall over chunks, by the rules of the program conlleval (Tjong Kim
    Sang and Buchholz 2000, "Introduction to the CoNLL-2000 Shared Task: Chunking"), as seqeval has them.

    A chunk is right where its first place, its last and its type are. An `I-` that continues nothing of its type opens
    a chunk. Where no chunk is answered, the score is 0.
    """
    from seqeval.metrics import f1_score

    return {"f1": float(f1_score(gold, answers, zero_division=0))}
