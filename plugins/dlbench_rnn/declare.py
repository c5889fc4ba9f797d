"""The recurrent networks and how they fit the kinds: `elman`, `jordan`, `gru`, `lstm`, `lstm_peephole`. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from dlbench import (
    Classes,
    MaskedTokens,
    ModelSpec,
    NextToken,
    NotApplicable,
    Series,
    Signature,
    Tokens,
    TokenTags,
    UsageError,
    Value,
)

POOLS = ("last", "mean", "max")
LARGEST_FEEDBACK = 2000  # a Jordan network multiplies by its whole output at every place

ACCEPTS = (
    *((Tokens, output) for output in (NextToken, MaskedTokens, TokenTags, Classes, Value)),
    *((Series, output) for output in (TokenTags, Classes, Value)),
)


def build_elman(
    signature: Signature, *, width: int = 128, depth: int = 1, embedding: int | None = None,
    bidirectional: bool = False, dropout: float = 0.0, pool: str = "last", characters: bool = False, context: int = 0,
    tied: bool = False, init: float | None = None,
) -> Any:  # fmt: skip
    from .elman import ElmanLayer

    return _network(
        signature, ElmanLayer, width=width, depth=depth, embedding=embedding, bidirectional=bidirectional,
        dropout=dropout, pool=pool, characters=characters, context=context, tied=tied, init=init,
    )  # fmt: skip


def build_jordan(
    signature: Signature, *, width: int = 128, depth: int = 1, embedding: int | None = None,
    bidirectional: bool = False, dropout: float = 0.0, pool: str = "last", characters: bool = False, context: int = 0,
    init: float | None = None,
) -> Any:  # fmt: skip
    """Raises NotApplicable where the output, which it feeds back, has more than 2,000 numbers."""
    from .jordan import JordanLayer

    num_classes = _num_classes(signature)
    if num_classes > LARGEST_FEEDBACK:
        raise NotApplicable(
            f"needs an output of at most {LARGEST_FEEDBACK} classes to feed back at every place, not {num_classes}"
        )
    return _network(
        signature, partial(JordanLayer, num_classes=num_classes), width=width, depth=depth, embedding=embedding,
        bidirectional=bidirectional, dropout=dropout, pool=pool, characters=characters, context=context, init=init,
    )  # fmt: skip


def build_gru(
    signature: Signature, *, width: int = 128, depth: int = 1, embedding: int | None = None,
    bidirectional: bool = False, dropout: float = 0.0, pool: str = "last", characters: bool = False,
    tied: bool = False, init: float | None = None, weight_drop: float = 0.0,
) -> Any:  # fmt: skip
    from .gru import GRULayer

    return _network(
        signature, partial(GRULayer, weight_drop=weight_drop), width=width, depth=depth, embedding=embedding,
        bidirectional=bidirectional, dropout=dropout, pool=pool, characters=characters, tied=tied, init=init,
    )  # fmt: skip


def build_lstm(
    signature: Signature, *, width: int = 128, depth: int = 1, embedding: int | None = None,
    bidirectional: bool = False, dropout: float = 0.0, pool: str = "last", characters: bool = False,
    tied: bool = False, init: float | None = None, forget_bias: float | None = 1.0, weight_drop: float = 0.0,
    embedding_dropout: float = 0.0, input_dropout: float = 0.0, layer_dropout: float = 0.0, output_dropout: float = 0.0,
) -> Any:  # fmt: skip
    """The AWD-LSTM of Merity et al. 2018 is `lstm[depth=3,width=1150,embedding=400,tied=true,weight_drop=0.5,
    embedding_dropout=0.1,input_dropout=0.4,layer_dropout=0.25,output_dropout=0.4]`."""
    from .lstm import LSTMLayer

    layer = partial(LSTMLayer, forget_bias=forget_bias, weight_drop=weight_drop)
    return _network(
        signature, layer, width=width, depth=depth, embedding=embedding, bidirectional=bidirectional, dropout=dropout,
        pool=pool, characters=characters, tied=tied, init=init, embedding_dropout=embedding_dropout,
        input_dropout=input_dropout, layer_dropout=layer_dropout, output_dropout=output_dropout,
    )  # fmt: skip


def build_peephole(
    signature: Signature, *, width: int = 128, depth: int = 1, embedding: int | None = None,
    bidirectional: bool = False, dropout: float = 0.0, pool: str = "last", characters: bool = False,
    tied: bool = False, init: float | None = None, forget_bias: float | None = 1.0,
) -> Any:  # fmt: skip
    from .peephole import PeepholeLayer

    return _network(
        signature, partial(PeepholeLayer, forget_bias=forget_bias), width=width, depth=depth, embedding=embedding,
        bidirectional=bidirectional, dropout=dropout, pool=pool, characters=characters, tied=tied, init=init,
    )  # fmt: skip


def _network(signature: Signature, layer: Callable[[int, int], Any], **options: Any) -> Any:
    """The network of these layers for a signature. Raises NotApplicable where an option has nothing to act on."""
    from .network import RecurrentNetwork

    _check(signature, options)
    characters = signature.input.characters if options.pop("characters") else 0
    series = isinstance(signature.input, Series)
    sizes = {"features": signature.input.features} if series else {"vocab": signature.input.vocab}
    output = signature.output
    answers = "value" if isinstance(output, Value) else "classes" if isinstance(output, Classes) else "places"
    return RecurrentNetwork(
        layer=layer, num_classes=_num_classes(signature), answers=answers, characters=characters, **sizes, **options
    )


def _num_classes(signature: Signature) -> int:
    output: Any = signature.output
    if isinstance(output, Value):
        return 1
    return output.vocab if isinstance(output, (NextToken, MaskedTokens)) else output.num_classes


def _check(signature: Signature, options: dict[str, Any]) -> None:
    given, asked = signature.input, signature.output
    if options["pool"] not in POOLS:
        raise UsageError(f"pool={options['pool']} is none of {', '.join(POOLS)}")
    if options["pool"] != "last" and not isinstance(asked, (Classes, Value)):
        raise NotApplicable(f"needs one answer per sequence for pool={options['pool']}")
    if options["bidirectional"] and isinstance(asked, NextToken):
        raise NotApplicable("needs a task that may look ahead for bidirectional=true")
    for name in ("embedding", "embedding_dropout", "context"):
        if options.get(name) and isinstance(given, Series):
            raise NotApplicable(f"needs tokens for {name}={options[name]}")
    if options.get("layer_dropout") and options["depth"] == 1:
        raise NotApplicable("needs depth of at least 2 for layer_dropout, which acts between layers")
    if options.get("tied") and options["depth"] == 1 and options["embedding"] not in (None, options["width"]):
        raise NotApplicable("needs depth of at least 2 for tied=true with another width than the embedding's")
    if options.get("context") and isinstance(asked, NextToken):
        raise NotApplicable(f"needs a task that may look ahead for context={options['context']}")
    if options["characters"]:
        if isinstance(given, Series) or not given.characters:
            raise NotApplicable("needs tokens that come with their spelling for characters=true")
        if isinstance(asked, NextToken):
            raise NotApplicable("needs tokens whose spelling is known ahead for characters=true, not the next token's")
    if options.get("tied") and not (isinstance(asked, NextToken) and asked.vocab == given.vocab):
        raise NotApplicable("needs next tokens of the input's vocabulary for tied=true")


def models() -> Iterable[ModelSpec]:
    shared: dict[str, Any] = {"accepts": ACCEPTS, "family": "RNN"}
    yield ModelSpec(name="elman", build=build_elman, paper="Elman 1990, Finding Structure in Time", **shared)
    yield ModelSpec(
        name="jordan",
        build=build_jordan,
        paper="Jordan 1986, Serial Order: A Parallel Distributed Processing Approach",
        **shared,
    )
    yield ModelSpec(
        name="gru",
        build=build_gru,
        paper="Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder",
        **shared,
    )
    yield ModelSpec(
        name="lstm",
        build=build_lstm,
        paper="Hochreiter and Schmidhuber 1997, Long Short-Term Memory",
        recipes={"shakespeare_char": {"lr": 4e-3}},  # the task's is nanoGPT's, a Transformer's; see docs/sequences.md
        **shared,
    )
    yield ModelSpec(
        name="lstm_peephole",
        build=build_peephole,
        paper="Gers and Schmidhuber 2000, Recurrent Nets that Time and Count",
        **shared,
    )
