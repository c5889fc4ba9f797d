"""Encoder-decoders: `seq2seq`, `seq2seq_attention`. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import ModelSpec, Signature, Tokens, TokenSequence, UsageError, unknown

CELLS = ("gru", "lstm")
SCORES = ("additive", "dot")
FEEDINGS = ("input", "output")


def build_seq2seq(
    signature: Signature,
    *,
    cell: str = "gru",
    width: int = 256,
    embedding: int = 128,
    depth: int = 1,
    dropout: float = 0.1,
    context: bool = False,
    bidirectional: bool = False,
    readout: int = 0,
    teacher_forcing: float = 1.0,
) -> Any:
    """Raises UsageError for an unknown cell or a share outside 0 .. 1."""
    from .seq2seq import Seq2Seq

    _check("cell", cell, CELLS)
    _check_share(teacher_forcing)
    return Seq2Seq(
        vocab=signature.input.vocab,
        target_vocab=signature.output.vocab,
        cell=cell,
        width=width,
        embedding=embedding,
        depth=depth,
        dropout=dropout,
        context=context,
        bidirectional=bidirectional,
        readout=readout,
        teacher_forcing=teacher_forcing,
    )


def build_seq2seq_attention(
    signature: Signature,
    *,
    score: str = "additive",
    feeding: str = "input",
    width: int = 128,
    embedding: int = 128,
    dropout: float = 0.1,
    readout: int = 128,
    teacher_forcing: float = 1.0,
) -> Any:
    """Raises UsageError for an unknown score or feeding, or a share outside 0 .. 1."""
    from .seq2seq_attention import Seq2SeqAttention

    _check("score", score, SCORES)
    _check("feeding", feeding, FEEDINGS)
    _check_share(teacher_forcing)
    return Seq2SeqAttention(
        vocab=signature.input.vocab,
        target_vocab=signature.output.vocab,
        score=score,
        feeding=feeding,
        width=width,
        embedding=embedding,
        dropout=dropout,
        readout=readout,
        teacher_forcing=teacher_forcing,
    )


def _check(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise unknown(option, value, known)


def _check_share(teacher_forcing: float) -> None:
    if not 0 <= teacher_forcing <= 1:
        raise UsageError(f"teacher_forcing is a share from 0 to 1, not {teacher_forcing}")


def models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="seq2seq",
        build=build_seq2seq,
        accepts=[(Tokens, TokenSequence)],
        family="RNN",
        paper="Sutskever, Vinyals, Le 2014, Sequence to Sequence Learning with Neural Networks; Cho et al. 2014, "
        "Learning Phrase Representations using RNN Encoder-Decoder",
    )
    yield ModelSpec(
        name="seq2seq_attention",
        build=build_seq2seq_attention,
        accepts=[(Tokens, TokenSequence)],
        family="RNN",
        paper="Bahdanau, Cho, Bengio 2015, Neural Machine Translation by Jointly Learning to Align and Translate; "
        "Luong, Pham, Manning 2015, Effective Approaches to Attention-based Neural Machine Translation",
    )
