"""Baselines that count words: `ngram`, `naive_bayes`, `most_frequent_tag`. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dlbench import (
    Classes,
    Kind,
    ModelSpec,
    NextToken,
    NotApplicable,
    Settings,
    Signature,
    Tokens,
    TokenTags,
    UsageError,
)

if TYPE_CHECKING:
    from .most_frequent_tag import MostFrequentTag
    from .naive_bayes import NaiveBayes
    from .ngram import NGram


def models(recipes: Mapping[str | type[Kind], Settings]) -> Iterator[ModelSpec]:
    """`recipes`: how a model that only counts is trained."""
    yield ModelSpec(
        name="ngram",
        build=build_ngram,
        accepts=[(Tokens, NextToken)],
        family="Baseline",
        paper="Chen and Goodman 1999, An Empirical Study of Smoothing Techniques for Language Modeling",
        recipes=recipes,
    )
    yield ModelSpec(
        name="naive_bayes",
        build=build_naive_bayes,
        accepts=[(Tokens, Classes)],
        family="Baseline",
        paper="McCallum and Nigam 1998, A Comparison of Event Models for Naive Bayes Text Classification",
        recipes=recipes,
    )
    yield ModelSpec(
        name="most_frequent_tag",
        build=build_most_frequent_tag,
        accepts=[(Tokens, TokenTags)],
        family="Baseline",
        paper="Charniak et al. 1993, Equations for Part-of-Speech Tagging",
        recipes=recipes,
    )


def build_ngram(signature: Signature, *, order: int = 2, discount: float = 0.75) -> NGram:
    """`order`: how many tokens an n-gram has; 2 is a bigram. `discount`: what each count gives to the lower order."""
    vocab = max(signature.input.vocab, signature.output.vocab)
    if order < 1 or not 0 < discount < 1:
        raise UsageError(f"ngram needs an order of at least 1 and a discount between 0 and 1, not {order}, {discount}")
    if (vocab + 1) ** order >= 2**63:
        raise NotApplicable(f"needs a smaller vocabulary than {vocab:,}, so that {order}-grams go into 64 bits")
    from .ngram import NGram

    return NGram(vocab=vocab, order=order, discount=discount)


def build_naive_bayes(signature: Signature, *, smoothing: float = 1.0) -> NaiveBayes:
    """`smoothing`: what is added to each count of a word in a class."""
    if not smoothing > 0:
        raise UsageError(f"needs a smoothing above 0, not {smoothing}")
    from .naive_bayes import NaiveBayes

    return NaiveBayes(vocab=signature.input.vocab, num_classes=signature.output.num_classes, smoothing=smoothing)


def build_most_frequent_tag(signature: Signature, *, unknown: int = 1) -> MostFrequentTag:
    """`unknown`: the number by which the task calls words that it doesn't know."""
    from .most_frequent_tag import MostFrequentTag

    kind, num_classes = signature.input, signature.output.num_classes
    return MostFrequentTag(vocab=kind.vocab, num_classes=num_classes, characters=kind.characters, unknown=unknown)
