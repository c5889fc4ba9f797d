"""What is declared of models that draw molecules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Graph, ModelSpec, NotApplicable, Sample, Signature, Tokens, UsageError

from .checks import positive


def build_smiles_rnn(
    signature: Signature, *, width: int = 256, depth: int = 1, embedding: int = 64, cell: str = "gru",
    dropout: float = 0.0, temperature: float = 1.0,
) -> Any:  # fmt: skip
    """`cell`: gru or lstm. `temperature`: below 1, samples are safer and less different."""
    from .smiles_rnn import CELLS, SmilesRNN
    from .smiles_rnn_learner import SmilesLearner

    if cell not in CELLS:
        raise UsageError(f"option 'cell' is {' or '.join(CELLS)}, not {cell!r}")
    positive(width=width, depth=depth, embedding=embedding, temperature=temperature)
    if not 0 <= dropout < 1:
        raise UsageError(f"option 'dropout' is at least 0 and below 1, not {dropout}")
    kind = signature.input
    if kind.length is None:
        raise NotApplicable("needs to know how long the longest sequence is")
    network = SmilesRNN(vocab=kind.vocab, width=width, depth=depth, embedding=embedding, cell=cell, dropout=dropout)
    return SmilesLearner(network, length=kind.length, temperature=temperature)


def build_molgan(
    signature: Signature, *, width: int = 128, noise: int = 32, critic_steps: int = 1, penalty: float = 10.0,
    shown: str = "gumbel",
) -> Any:  # fmt: skip
    """`critic_steps`: of the critic for one of the generator. `shown`: how the critic sees molecules: soft, gumbel or
    hard."""
    kind = signature.input
    if not kind.nodes_max or not kind.edge_features:
        raise NotApplicable("needs kinds of edges, and to know how many nodes the largest graph has")
    from .molgan_learner import SHOWN, MolGAN

    positive(width=width / 4, noise=noise, critic_steps=critic_steps)
    if shown not in SHOWN:
        raise UsageError(f"option 'shown' is {', '.join(SHOWN[:-1])} or {SHOWN[-1]}, not {shown!r}")
    return MolGAN(
        nodes_max=kind.nodes_max, node_features=kind.node_features, edge_features=kind.edge_features, width=width,
        noise=noise, critic_steps=critic_steps, penalty=penalty, shown=shown,
    )  # fmt: skip


def models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="smiles_rnn",
        build=build_smiles_rnn,
        accepts=[(Tokens, Sample)],
        family="RNN",
        paper="Segler et al. 2018, Generating Focused Molecule Libraries for Drug Discovery with Recurrent Neural "
        "Networks",
        recipes={Tokens: {"clip": 1.0}},
    )
    yield ModelSpec(
        name="molgan",
        build=build_molgan,
        accepts=[(Graph, Sample)],
        family="GAN",
        paper="De Cao & Kipf 2018, MolGAN: An implicit generative model for small molecular graphs",
        recipes={Graph: {"optimizer": "adam[beta1=0.0,beta2=0.9]"}},
    )
