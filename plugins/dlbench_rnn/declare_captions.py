"""Networks that write what they see: `show_attend_tell`. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Image, ModelSpec, Signature, TokenSequence, unknown

VIEWS = ("attention", "mean", None)


def build_show_attend_tell(
    signature: Signature,
    *,
    width: int = 96,
    embedding: int = 48,
    dropout: float = 0.1,
    view: str | None = "attention",
) -> Any:
    """`view`: `attention`, `mean` of all annotation vectors, or `none`. Raises UsageError for another."""
    from .show_attend_tell import ShowAttendTell

    if view not in VIEWS:
        raise unknown("view", str(view), ("attention", "mean", "none"))
    return ShowAttendTell(
        channels=signature.input.channels,
        size=(signature.input.height, signature.input.width),
        vocab=signature.output.vocab,
        width=width,
        embedding=embedding,
        dropout=dropout,
        view=view,
    )


def models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="show_attend_tell",
        build=build_show_attend_tell,
        accepts=[(Image, TokenSequence)],
        family="RNN",
        paper="Xu, Ba, Kiros, Cho, Courville, Salakhutdinov, Zemel, Bengio 2015, Show, Attend and Tell: Neural Image "
        "Caption Generation with Visual Attention",
    )
