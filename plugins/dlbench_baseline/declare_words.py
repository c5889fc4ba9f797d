"""Baselines that count words: `ngram`, `naive_bayes`, `most_frequent_tag`, `dictionary`; and `marked_words`, which fits
them. No torch."""

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
    SyntaxGraph,
    Tokens,
    TokenTags,
    UsageError,
    WordTags,
)

if TYPE_CHECKING:
    from .dictionary import Dictionary
    from .marked_words import MarkedWords
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
    yield ModelSpec(
        name="dictionary",
        build=build_dictionary,
        accepts=[(Tokens, WordTags)],
        family="Baseline",
        paper="Tjong Kim Sang and De Meulder 2003, Introduction to the CoNLL-2003 Shared Task",
        recipes=recipes,
    )
    yield ModelSpec(
        name="marked_words",
        build=build_marked_words,
        accepts=[(SyntaxGraph, Classes)],
        family="Baseline",
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


def build_dictionary(signature: Signature) -> Dictionary:
    """Raises NotApplicable where the tags aren't those of spans."""
    tags = signature.output.tags
    if "O" not in tags or not all(tag == "O" or tag[:2] in ("B-", "I-") for tag in tags):
        raise NotApplicable("needs tags of spans, O, B- and I- with a type")
    from .dictionary import Dictionary

    return Dictionary(tags=tags)


def build_marked_words(signature: Signature, *, c: float = 1.0) -> MarkedWords:
    """`c`: the inverse of how strongly weights are kept small."""
    if not c > 0:
        raise UsageError(f"marked_words needs a c above 0, not {c}")
    if signature.input.marks != 2:
        raise NotApplicable("needs sentences with two marked nominals")
    from .marked_words import MarkedWords

    return MarkedWords(vocab=signature.input.vocab, num_classes=signature.output.num_classes, c=c)
