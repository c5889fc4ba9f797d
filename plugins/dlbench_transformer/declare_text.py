"""Models of tokens and series: `gpt`, `encoder`, `bert`, `transformer`. No torch."""

from __future__ import annotations

from collections.abc import Iterable
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
    TokenSequence,
    TokenTags,
    UsageError,
    Value,
)

from .declare_options import limit, mixed, one_of, read

FAMILY = "Transformer"
POOLS = ("mean", "first", "last", "max")


def build_gpt(
    signature: Signature,
    *,
    max_length: int = 256,
    width: int = 64,
    depth: int = 2,
    heads: int = 4,
    dropout: float = 0.0,
    bias: bool = True,
    positions: str | None = "learned",
    attention: str = "full",
    score: str = "dot",
    window: int = 16,
    num_features: int = 64,
    fused: bool = True,
) -> Any:
    """`max_length` is the number of learned positions where the task sets no limit. Raises NotApplicable where a
    language model is to carry state, or has other tokens to write than to read, as they share one embedding."""
    from .gpt import GPT

    output = signature.output
    if isinstance(output, NextToken):
        if output.carried:
            raise NotApplicable("carries no state over segments; use a task with carry=false")
        if signature.input.vocab != output.vocab:
            raise NotApplicable("needs one vocabulary for input and output, as they share one embedding")
    mixing = mixed(
        width, heads, positions=positions, attention=attention, score=score, window=window, num_features=num_features,
        fused=fused,
    )  # fmt: skip
    return GPT(
        **read(signature),
        num_classes=None if isinstance(output, NextToken) else output.num_classes,
        per_sequence=isinstance(output, Classes),
        max_length=limit(signature, max_length),
        width=width,
        depth=depth,
        heads=heads,
        dropout=dropout,
        bias=bias,
        mixing=mixing,
    )


def build_encoder(
    signature: Signature,
    *,
    pool: str = "mean",
    max_length: int = 256,
    width: int = 128,
    depth: int = 2,
    heads: int = 4,
    dropout: float = 0.1,
    positions: str | None = "sinusoidal",
    attention: str = "full",
    score: str = "dot",
    window: int = 16,
    num_features: int = 64,
    fused: bool = True,
) -> Any:
    """`pool` is for one answer of a whole sequence, `max_length` acts on learned positions where the task sets no
    limit."""
    from .encoder import Encoder

    output = signature.output
    mixing = mixed(
        width, heads, positions=positions, attention=attention, score=score, window=window, num_features=num_features,
        fused=fused,
    )  # fmt: skip
    sizes = {Value: None, MaskedTokens: getattr(output, "vocab", None)}
    per_sequence = isinstance(output, (Classes, Value))
    if pool != "mean" and not per_sequence:
        raise NotApplicable(f"needs one answer per sequence for pool={pool}")
    return Encoder(
        **read(signature),
        num_classes=sizes.get(type(output), getattr(output, "num_classes", None)),
        per_sequence=per_sequence,
        pool=one_of("pool", pool, POOLS),
        max_length=limit(signature, max_length),
        width=width,
        depth=depth,
        heads=heads,
        dropout=dropout,
        mixing=mixing,
    )


def build_bert(
    signature: Signature,
    *,
    pretrain_fraction: float = 0.5,
    max_length: int = 256,
    width: int = 128,
    depth: int = 2,
    heads: int = 4,
    dropout: float = 0.1,
    positions: str | None = "learned",
    attention: str = "full",
    score: str = "dot",
    window: int = 16,
    num_features: int = 64,
    fused: bool = True,
) -> Any:
    """Asked for classes it pre-trains for `pretrain_fraction` of the budget; asked for masked tokens that is all it
    does. `max_length` acts on learned positions where the task sets no limit."""
    output = signature.output
    vocab = signature.input.vocab
    if not 0.0 <= pretrain_fraction < 1.0:
        raise UsageError(f"pretrain_fraction must be at least 0 and below 1, not {pretrain_fraction}")
    options: dict[str, Any] = {
        "max_length": limit(signature, max_length), "width": width, "depth": depth, "heads": heads, "dropout": dropout,
        "mixing": mixed(
            width, heads, positions=positions, attention=attention, score=score, window=window,
            num_features=num_features, fused=fused,
        ),
    }  # fmt: skip
    if isinstance(output, Classes):
        from .bert_learner import PretrainedBERT

        return PretrainedBERT(
            vocab=vocab, num_classes=output.num_classes, pretrain_fraction=pretrain_fraction, **options
        )
    if pretrain_fraction != 0.5:
        raise NotApplicable(f"needs classes to train after pretrain_fraction={pretrain_fraction} of the budget")
    if output.vocab > vocab:
        raise NotApplicable("needs every token that it may be asked for among those that it reads")
    from .bert import MaskedBERT

    return MaskedBERT(vocab=vocab, target_vocab=output.vocab, **options)


def build_transformer(
    signature: Signature,
    *,
    max_length: int = 256,
    width: int = 128,
    depth: int = 2,
    heads: int = 4,
    feed: int | None = None,
    dropout: float = 0.1,
    norm: str = "pre",
    positions: str | None = "sinusoidal",
    attention: str = "full",
    score: str = "dot",
    window: int = 16,
    num_features: int = 64,
    fused: bool = True,
) -> Any:
    """Learned positions are `max_length` on both sides, or as many as the task needs if those are more. `attention`,
    `window` and `positions` act within source and target; what the target sees of the source is full attention."""
    from .transformer import Transformer

    mixing = mixed(
        width, heads, positions=positions, attention=attention, score=score, window=window, num_features=num_features,
        fused=fused,
    )  # fmt: skip
    source, target = signature.input, signature.output
    return Transformer(
        vocab=source.vocab,
        target_vocab=target.vocab,
        max_length=max(max_length, source.length or 0),
        target_length=max(max_length, target.length + 1),
        width=width,
        depth=depth,
        heads=heads,
        feed=feed,
        dropout=dropout,
        norm=one_of("place of the normalisation", norm, ("pre", "post")),
        mixing=mixing,
    )


def models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="gpt",
        build=build_gpt,
        accepts=[(Tokens, NextToken), (Tokens, TokenTags), (Tokens, Classes), (Series, TokenTags), (Series, Classes)],
        family=FAMILY,
        paper="Radford et al. 2019, Language Models are Unsupervised Multitask Learners",
    )
    yield ModelSpec(
        name="encoder",
        build=build_encoder,
        accepts=[
            *((kind, output) for kind in (Tokens, Series) for output in (Classes, TokenTags, Value)),
            (Tokens, MaskedTokens),
        ],
        family=FAMILY,
        paper="Vaswani et al. 2017, Attention Is All You Need",
    )
    yield ModelSpec(
        name="bert",
        build=build_bert,
        accepts=[(Tokens, MaskedTokens), (Tokens, Classes)],
        family=FAMILY,
        paper="Devlin et al. 2019, BERT: Pre-training of Deep Bidirectional Transformers",
    )
    yield ModelSpec(
        name="transformer",
        build=build_transformer,
        accepts=[(Tokens, TokenSequence)],
        family=FAMILY,
        paper="Vaswani et al. 2017, Attention Is All You Need",
    )
