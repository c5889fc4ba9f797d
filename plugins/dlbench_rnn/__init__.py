"""Recurrent networks: `gru`, for next tokens and for classes of sequences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Classes, ModelSpec, NextToken, Signature, Tokens


def build_gru(signature: Signature, *, width: int = 128, depth: int = 1, dropout: float = 0.0) -> Any:
    from .gru import GRU

    output = signature.output
    per_sequence = isinstance(output, Classes)
    return GRU(
        vocab=signature.input.vocab,
        num_classes=output.num_classes if per_sequence else output.vocab,
        per_sequence=per_sequence,
        width=width,
        depth=depth,
        dropout=dropout,
    )


def dlbench_models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="gru",
        build=build_gru,
        accepts=[(Tokens, NextToken), (Tokens, Classes)],
        family="RNN",
        paper="Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder",
    )
