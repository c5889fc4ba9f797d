"""How a Transformer's places exchange what they hold: the options that all text models share. No torch."""

from __future__ import annotations

from dataclasses import dataclass

POSITIONS = ("none", "sinusoidal", "learned", "rotary", "alibi", "rnn", "floater")
ATTENTIONS = ("full", "truncated", "linear", "performer")
SCORES = ("dot", "additive")


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """`positions`, `attention`, `score`: one word each of the lists above. `window`: how many places to each side (in a
    causal model: to the left) truncated attention sees. `num_features`: random features of each Performer layer.
    `fused`: use PyTorch's own attention where it computes the same."""

    positions: str = "learned"
    attention: str = "full"
    score: str = "dot"
    window: int = 16
    num_features: int = 64
    fused: bool = True

    @property
    def kernelised(self) -> bool:
        """Whether attention goes through feature maps, so that there are no scores between two places."""
        return self.attention in ("linear", "performer")


PLAIN = Mixing()
"""What the constructors take where nobody says otherwise."""
