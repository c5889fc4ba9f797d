"""Links of knowledge graphs: `distmult`, `complex`, `transe`, `rgcn` before any of them, `frequent_links` to beat."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Kind, KnowledgeGraph, Links, ModelSpec, Signature, UsageError, unknown

DECODERS = ("distmult", "complex", "transe")
NORMS = ("node", "relation")


def build_distmult(signature: Signature, *, width: int = 100, dropout: float = 0.3) -> Any:
    return factorisation(signature, "distmult", width, dropout)


def build_complex(signature: Signature, *, width: int = 100, dropout: float = 0.3) -> Any:
    """`width`: an even number, half of it imaginary."""
    return factorisation(signature, "complex", width, dropout)


def build_transe(signature: Signature, *, width: int = 100, dropout: float = 0.0, norm: int = 2) -> Any:
    """`norm`: of the distance, 1 or 2."""
    if norm not in (1, 2):
        raise UsageError(f"the norm of a distance is 1 or 2, not {norm}")
    return factorisation(signature, "transe", width, dropout, norm=norm)


def build_rgcn(
    signature: Signature,
    *,
    width: int = 100,
    depth: int = 1,
    bases: int = 2,
    dropout: float = 0.3,
    edge_dropout: float = 0.4,
    loop_dropout: float = 0.2,
    norm: str = "node",
    decoder: str = "distmult",
) -> Any:
    """`bases`: matrices that all relations share. `edge_dropout`: of known triples, `loop_dropout`: of what an entity
    tells itself. `norm`: messages are averaged over a `node`, or over each `relation`. `decoder`: `distmult`, `complex`
    or `transe`."""
    if norm not in NORMS:
        raise unknown("norm", norm, NORMS)
    from ..rgcn import RGCN

    kind = signature.input
    return RGCN(
        make_decoder(signature, decoder, width, dropout), entities=kind.entities, relations=kind.relations, width=width,
        depth=depth, bases=bases, edge_dropout=edge_dropout, loop_dropout=loop_dropout, norm=norm,
    )  # fmt: skip


def factorisation(signature: Signature, name: str, width: int, dropout: float, **more: Any) -> Any:
    """A decoder on vectors of its own."""
    from ..factorise import Factorisation

    decoder = make_decoder(signature, name, width, dropout, **more)
    return Factorisation(decoder, entities=signature.input.entities, width=width)


def make_decoder(signature: Signature, name: str, width: int, dropout: float, **more: Any) -> Any:
    """A decoder by its name."""
    if name not in DECODERS:
        raise unknown("decoder", name, DECODERS)
    if name == "complex" and width % 2:
        raise UsageError(f"complex vectors need an even width, not {width}")
    from .. import factorise

    kinds = {"distmult": factorise.DistMult, "complex": factorise.ComplEx, "transe": factorise.TransE}
    return kinds[name](relations=signature.input.relations, width=width, dropout=dropout, **more)


def build_frequent_links(signature: Signature) -> Any:
    from ..frequent_links import FrequentLinks

    return FrequentLinks(entities=signature.input.entities, relations=signature.input.relations)


def specs() -> Iterable[ModelSpec]:
    accepts = [(KnowledgeGraph, Links)]
    yield ModelSpec(
        name="frequent_links",
        build=build_frequent_links,
        accepts=accepts,
        family="Baseline",
        recipes={Kind: {"schedule": "stop_after[epochs=1]", "regularizers": "none"}},
    )
    yield ModelSpec(
        name="distmult",
        build=build_distmult,
        accepts=accepts,
        family="Factorisation",
        paper="Yang et al. 2015, Embedding Entities and Relations for Learning and Inference in Knowledge Bases",
    )
    yield ModelSpec(
        name="complex",
        build=build_complex,
        accepts=accepts,
        family="Factorisation",
        paper="Trouillon et al. 2016, Complex Embeddings for Simple Link Prediction",
    )
    yield ModelSpec(
        name="transe",
        build=build_transe,
        accepts=accepts,
        family="Factorisation",
        paper="Bordes et al. 2013, Translating Embeddings for Modeling Multi-relational Data",
    )
    yield ModelSpec(
        name="rgcn",
        build=build_rgcn,
        accepts=accepts,
        family="GNN",
        paper="Schlichtkrull et al. 2018, Modeling Relational Data with Graph Convolutional Networks",
    )
