"""What is declared of baselines that draw graphs and molecules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dlbench import Graph, Kind, ModelSpec, NotApplicable, Sample, Settings, Signature, Tokens, UsageError

if TYPE_CHECKING:
    from .graph_samples import ErdosRenyi
    from .smiles_ngram import SequenceNGram


def models(recipes: Mapping[str | type[Kind], Settings]) -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="erdos_renyi",
        build=build_erdos_renyi,
        accepts=[(Graph, Sample)],
        family="Baseline",
        paper="Erdos & Renyi 1959, On Random Graphs I",
        recipes=recipes,
    )
    yield ModelSpec(
        name="smiles_ngram",
        build=build_smiles_ngram,
        accepts=[(Tokens, Sample)],
        family="Baseline",
        paper="Polykovskiy et al. 2020, Molecular Sets (MOSES)",
        recipes=recipes,
    )


def build_erdos_renyi(signature: Signature) -> ErdosRenyi:
    from .graph_samples import ErdosRenyi

    kind = signature.input
    if kind.single or not kind.nodes_max:
        raise NotApplicable("needs to know how many nodes a graph has at most (Graph.nodes_max)")
    return ErdosRenyi(nodes_max=kind.nodes_max, node_types=kind.node_features, bond_types=kind.edge_features)


def build_smiles_ngram(signature: Signature, *, order: int = 6, discount: float = 0.5) -> SequenceNGram:
    """`order`: how many tokens an n-gram has. `discount`: what each count gives to the lower order."""
    kind = signature.input
    if order < 1 or not 0 < discount < 1:
        raise UsageError(f"smiles_ngram needs an order from 1 and a discount between 0 and 1, not {order}, {discount}")
    if kind.length is None:
        raise NotApplicable("needs to know how long the longest sequence is")
    if (kind.vocab + 1) ** order >= 2**63:
        raise NotApplicable(f"needs a smaller vocabulary than {kind.vocab:,}, so that {order}-grams go into 64 bits")
    from .smiles_ngram import SequenceNGram

    return SequenceNGram(vocab=kind.vocab, length=kind.length, order=order, discount=discount)
