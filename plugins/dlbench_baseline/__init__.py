"""The floor of every task, a model that counts and never looks at its inputs; ridge and nearest neighbour; and rules of
thumb and counts for graphs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlbench import (
    Boxes,
    Classes,
    EdgeClasses,
    Embedding,
    Factor,
    Graph,
    Image,
    InputKind,
    Kind,
    Mask,
    MaskedTokens,
    ModelSpec,
    NextToken,
    NodeClasses,
    NodeValue,
    NotApplicable,
    PixelValue,
    Sample,
    ScheduleSpec,
    Signature,
    Stop,
    TokenSequence,
    TokenTags,
    Value,
    Vector,
)

from . import declare_graph_samples, declare_graphs, declare_rows, declare_samples, declare_words

if TYPE_CHECKING:
    from dlbench import Learner

    from .graphs import DegreeThreshold, NearestEdges
    from .otsu import Otsu

COUNTED = (
    Classes, NodeClasses, NodeValue, EdgeClasses, NextToken, MaskedTokens, TokenTags, TokenSequence, Value, Mask,
    PixelValue, Embedding,
)  # fmt: skip
"""What the constant model can be asked of any input."""
COUNTS_ONCE = {Kind: {"schedule": "stop_after[epochs=1]", "regularizers": "none"}}


def dlbench_models() -> Iterator[ModelSpec]:
    """One pass over the training split is all that these need, and augmented examples would bend their counts."""
    yield ModelSpec(
        name="constant",
        build=_build,
        accepts=[*((InputKind, output) for output in COUNTED), (Image, Boxes), (Vector, Sample), (Image, Sample)],
        family="Baseline",
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
    yield ModelSpec(
        name="otsu",
        build=_otsu,
        accepts=[(Image, Mask)],
        family="Baseline",
        paper="Otsu 1979, A Threshold Selection Method from Gray-Level Histograms",
        recipes=COUNTS_ONCE,
    )
    yield from declare_graphs.models()
    yield from declare_rows.models(COUNTS_ONCE)
    yield from declare_words.models(COUNTS_ONCE)
    yield from declare_samples.models(COUNTS_ONCE)
    yield from declare_graph_samples.models(COUNTS_ONCE)


def dlbench_schedules() -> Iterator[ScheduleSpec]:
    """`stop_after`."""
    yield ScheduleSpec(name="stop_after", build=_stop_after)


def _build(signature: Signature) -> Learner:
    from .constant import constant

    return constant(signature)


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


def _otsu(signature: Signature) -> Otsu:
    if signature.output.num_classes != 2:
        raise NotApplicable(f"a threshold parts two classes, not {signature.output.num_classes}")
    from .otsu import Otsu

    return Otsu()


def _stop_after(*, epochs: float = 1) -> Factor:
    """The full learning rate until so many passes over the training split are done, then the end of training,
    whatever is left of the budget."""
    return lambda progress: Stop if progress.epoch >= epochs else 1.0
