"""The form of attention of a model's options."""

from __future__ import annotations

from torch import nn

from ..mixing import Mixing
from ..positions.alibi import alibi_slopes
from .full import Full
from .linear import EluFeatures, Linear
from .performer import RandomFeatures
from .scores import Additive, Dot
from .truncated import Truncated


def scoring(mixing: Mixing, *, heads: int, size: int, dropout: float) -> nn.Module:
    """`size`: that of a head. `dropout`: that of the attention's weights."""
    if mixing.score == "additive":
        return Additive(heads=heads, size=size, dropout=dropout)
    if mixing.score == "dot":
        return Dot(dropout=dropout, fused=mixing.fused)
    raise ValueError(f"there is no score {mixing.score!r}")


def self_attention_form(mixing: Mixing, *, heads: int, size: int, dropout: float, causal: bool) -> nn.Module:
    """Raises ValueError where the options name no form, or ask for scores of a form that has none."""
    if mixing.kernelised:
        if mixing.score != "dot" or mixing.positions == "alibi":
            raise ValueError(f"{mixing.attention} attention has no scores to change")
        linear = mixing.attention == "linear"
        features = EluFeatures() if linear else RandomFeatures(size=size, num_features=mixing.num_features)
        return Linear(features, causal=causal)
    slopes = alibi_slopes(heads) if mixing.positions == "alibi" else None
    score = scoring(mixing, heads=heads, size=size, dropout=dropout)
    if mixing.attention == "full":
        return Full(score, causal=causal, slopes=slopes)
    if mixing.attention == "truncated":
        return Truncated(score, window=mixing.window, causal=causal, slopes=slopes)
    raise ValueError(f"there is no attention {mixing.attention!r}")
