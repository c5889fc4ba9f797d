"""Networks for sentences with the dependencies between their words: `syntactic_gcn`, `c_gcn`. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from dlbench import Classes, ModelSpec, NotApplicable, Signature, SyntaxGraph, UsageError, WordTags

FAMILY = "GNN"
INIT = 0.1  # torch's own embeddings, of deviation 1, drown what is read in the spelling: 10 points of F1 on uner


def build_syntactic_gcn(
    signature: Signature, *, hops: int = 1, gated: bool = True, residual: bool = False, width: int = 100,
    depth: int = 1, embedding: int | None = 100, dropout: float = 0.5, pool: str = "max", characters: bool = True,
    init: float | None = INIT,
) -> Any:  # fmt: skip
    """`hops`: syntactic layers; 0 leaves the bidirectional LSTM alone. `depth`: layers of the LSTM. `pool`: of the
    words, where one answer for a sentence is asked. `init`: embeddings and LSTM start uniform in +- init; none leaves
    torch's own."""
    from .lstm import LSTMLayer
    from .syntactic_gcn import SyntacticNetwork

    kind, output = signature.input, signature.output
    classes = isinstance(output, Classes)
    _check(pool, hops)
    return SyntacticNetwork(
        relations=kind.relations, hops=hops, gated=gated, residual=residual, layer=partial(LSTMLayer, forget_bias=1.0),
        num_classes=output.num_classes, answers="classes" if classes else "places", vocab=kind.vocab, width=width,
        depth=depth, embedding=embedding, dropout=dropout, pool=pool, init=init,
        characters=kind.characters if characters else 0,
    )  # fmt: skip


def build_c_gcn(
    signature: Signature, *, hops: int = 2, prune: int | None = 1, width: int = 100, depth: int = 1,
    embedding: int | None = 100, dropout: float = 0.5, characters: bool = True, init: float | None = INIT,
) -> Any:  # fmt: skip
    """`hops`: graph layers. `prune`: how many edges off the path a word may lie; none keeps every word. `init`: as of
    `syntactic_gcn`. Raises NotApplicable where there are no two nominals for a path to join."""
    from .c_gcn import PrunedPathNetwork
    from .lstm import LSTMLayer

    kind = signature.input
    if kind.marks != 2:
        raise NotApplicable("needs sentences with two marked nominals")
    if hops < 1 or (prune is not None and prune < 0):
        raise UsageError(f"c_gcn needs hops of at least 1 and prune of at least 0, not {hops} and {prune}")
    return PrunedPathNetwork(
        hops=hops, prune=prune, layer=partial(LSTMLayer, forget_bias=1.0), num_classes=signature.output.num_classes,
        vocab=kind.vocab, width=width, depth=depth, embedding=embedding, dropout=dropout, init=init,
        characters=kind.characters if characters else 0,
    )  # fmt: skip


def _check(pool: str, hops: int) -> None:
    from .declare import POOLS

    if pool not in POOLS:
        raise UsageError(f"pool={pool} is none of {', '.join(POOLS)}")
    if hops < 0:
        raise UsageError(f"hops must be at least 0, not {hops}")


def models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="syntactic_gcn",
        build=build_syntactic_gcn,
        accepts=[(SyntaxGraph, WordTags), (SyntaxGraph, Classes)],
        family=FAMILY,
        paper="Marcheggiani and Titov 2017, Encoding Sentences with Graph Convolutional Networks for Semantic Role "
        "Labeling",
    )
    yield ModelSpec(
        name="c_gcn",
        build=build_c_gcn,
        accepts=[(SyntaxGraph, Classes)],
        family=FAMILY,
        paper="Zhang, Qi and Manning 2018, Graph Convolution over Pruned Dependency Trees Improves Relation Extraction",
    )
