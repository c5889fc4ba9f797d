"""Recurrent networks for tokens and series: `elman`, `jordan`, `gru`, `lstm`, `lstm_peephole`; encoder-decoders,
for images too; `textcnn`, the convolutional network that text classification sets beside them; and graph networks over
the syntax of sentences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Classes, ModelSpec, Signature, Tokens

from . import declare, declare_captions, declare_seq2seq, declare_syntax


def build_textcnn(
    signature: Signature,
    *,
    width: int = 100,
    embedding: int = 64,
    dropout: float = 0.5,
    max_norm: float | None = 3.0,
) -> Any:
    from .textcnn import TextCNN

    return TextCNN(
        vocab=signature.input.vocab,
        num_classes=signature.output.num_classes,
        width=width,
        embedding=embedding,
        dropout=dropout,
        max_norm=max_norm,
    )


def dlbench_models() -> Iterable[ModelSpec]:
    yield from declare.models()
    yield from declare_seq2seq.models()
    yield from declare_captions.models()
    yield from declare_syntax.models()
    yield ModelSpec(
        name="textcnn",
        build=build_textcnn,
        accepts=[(Tokens, Classes)],
        family="CNN",
        paper="Kim 2014, Convolutional Neural Networks for Sentence Classification",
    )
