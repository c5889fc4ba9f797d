"""The floor of every task, a model that counts and never looks at its inputs; ridge and nearest neighbour; and rules of
thumb for graphs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlbench import (
    Classes,
    EdgeClasses,
    Embedding,
    Graph,
    Image,
    InputKind,
    Kind,
    MaskedTokens,
    ModelSpec,
    NextToken,
    NodeClasses,
    NotApplicable,
    Sample,
    ScheduleSpec,
    Signature,
    Stop,
    Tokens,
    TokenSequence,
    TokenTags,
    Value,
    Vector,
)
from dlbench.errors import UsageError
from dlbench.schedule import Factor

from . import declare_rows

if TYPE_CHECKING:
    from .constant import Constant
    from .graphs import DegreeThreshold, NearestEdges
    from .most_frequent_tag import MostFrequentTag
    from .naive_bayes import NaiveBayes
    from .ngram import NGram

COUNTS_ONCE = {Kind: {"schedule": "stop_after[epochs=1]", "regularizers": "none"}}


def dlbench_models() -> Iterator[ModelSpec]:
    """One pass over the training split is all that these need, and augmented examples would bend their counts."""
    yield ModelSpec(
        name="constant",
        build=_build,
        accepts=[
            (InputKind, Classes),
            (InputKind, NodeClasses),
            (InputKind, EdgeClasses),
            (InputKind, NextToken),
            (InputKind, MaskedTokens),
            (InputKind, TokenTags),
            (InputKind, TokenSequence),
            (InputKind, Value),
            (InputKind, Embedding),
            (Vector, Sample),
            (Image, Sample),
        ],
        family="Baseline",
        recipes=COUNTS_ONCE,
    )
    yield ModelSpec(
        name="ngram",
        build=_ngram,
        accepts=[(Tokens, NextToken)],
        family="Baseline",
        paper="Chen and Goodman 1999, An Empirical Study of Smoothing Techniques for Language Modeling",
        recipes=COUNTS_ONCE,
    )
    yield ModelSpec(
        name="naive_bayes",
        build=_naive_bayes,
        accepts=[(Tokens, Classes)],
        family="Baseline",
        paper="McCallum and Nigam 1998, A Comparison of Event Models for Naive Bayes Text Classification",
        recipes=COUNTS_ONCE,
    )
    yield ModelSpec(
        name="most_frequent_tag",
        build=_most_frequent_tag,
        accepts=[(Tokens, TokenTags)],
        family="Baseline",
        paper="Charniak et al. 1993, Equations for Part-of-Speech Tagging",
        recipes=COUNTS_ONCE,
    )
    yield ModelSpec(
        name="degree_threshold",
        build=_degree_threshold,
        accepts=[(Graph, NodeClasses)],
        family="Baseline",
        recipes=COUNTS_ONCE,
    )
    yield ModelSpec(
        name="nearest_edges",
        build=_nearest_edges,
        accepts=[(Graph, EdgeClasses)],
        family="Baseline",
        recipes=COUNTS_ONCE,
    )
    yield from declare_rows.models(COUNTS_ONCE)


def dlbench_schedules() -> Iterator[ScheduleSpec]:
    """`stop_after`."""
    yield ScheduleSpec(name="stop_after", build=_stop_after)


def _build(signature: Signature) -> Constant:
    from .constant import constant

    return constant(signature)


def _ngram(signature: Signature, *, order: int = 2, discount: float = 0.75) -> NGram:
    """`order`: how many tokens an n-gram has; 2 is a bigram. `discount`: what each count gives to the lower order."""
    vocab = max(signature.input.vocab, signature.output.vocab)
    if order < 1 or not 0 < discount < 1:
        raise UsageError(f"ngram needs an order of at least 1 and a discount between 0 and 1, not {order}, {discount}")
    if (vocab + 1) ** order >= 2**63:
        raise NotApplicable(f"needs a smaller vocabulary than {vocab:,}, so that {order}-grams go into 64 bits")
    from .ngram import NGram

    return NGram(vocab=vocab, order=order, discount=discount)


def _naive_bayes(signature: Signature, *, smoothing: float = 1.0) -> NaiveBayes:
    """`smoothing`: what is added to each count of a word in a class."""
    if not smoothing > 0:
        raise UsageError(f"needs a smoothing above 0, not {smoothing}")
    from .naive_bayes import NaiveBayes

    return NaiveBayes(vocab=signature.input.vocab, num_classes=signature.output.num_classes, smoothing=smoothing)


def _most_frequent_tag(signature: Signature) -> MostFrequentTag:
    from .most_frequent_tag import MostFrequentTag

    kind = signature.input
    return MostFrequentTag(
        vocab=kind.vocab, num_classes=signature.output.num_classes, characters=kind.characters
    )  # fmt: skip


def _degree_threshold(signature: Signature, *, bins: int = 200) -> DegreeThreshold:
    """`bins`: how finely the range of degrees is divided."""
    from .graphs import DegreeThreshold

    return DegreeThreshold(num_classes=signature.output.num_classes, bins=bins)


def _nearest_edges(signature: Signature, *, k: int = 2, either: bool = False) -> NearestEdges:
    """`k`: how many neighbours of a node are near. `either`: an edge may be near for its target instead."""
    if not signature.input.edge_features:
        raise NotApplicable("needs edge features, of which the first is a length")
    if signature.output.num_classes != 2:
        raise NotApplicable(f"an edge is near or not: needs 2 classes, not {signature.output.num_classes}")
    from .graphs import NearestEdges

    return NearestEdges(k=k, either=either)


def _stop_after(*, epochs: float = 1) -> Factor:
    """The full learning rate until so many passes over the training split are done, then the end of training,
    whatever is left of the budget."""
    return lambda progress: Stop if progress.epoch >= epochs else 1.0
