"""What the builders of the text models share: sizes of the kinds, and options checked. No torch."""

from __future__ import annotations

from typing import Any

from dlbench import NotApplicable, Signature, Tokens, UsageError, unknown

from .mixing import ATTENTIONS, PLAIN, POSITIONS, SCORES, Mixing


def read(signature: Signature) -> dict[str, int]:
    """What a model reads: tokens of a vocabulary, or columns of a series."""
    kind = signature.input
    return {"vocab": kind.vocab} if isinstance(kind, Tokens) else {"features": kind.features}


def limit(signature: Signature, max_length: int) -> int:
    """The longest sequence: the task's, else the option."""
    length = signature.input.length
    return max_length if length is None else length


def _check_used(mixing: Mixing) -> None:
    """Raises NotApplicable where an option was changed that has nothing to act on."""
    if mixing.window != PLAIN.window and mixing.attention != "truncated":
        raise NotApplicable(f"needs attention=truncated for window={mixing.window}")
    if mixing.num_features != PLAIN.num_features and mixing.attention != "performer":
        raise NotApplicable(f"needs attention=performer for num_features={mixing.num_features}")
    if not mixing.fused and (mixing.kernelised or mixing.score == "additive"):
        raise NotApplicable("needs dot products of pairs for fused=false")


def check_heads(width: int, heads: int) -> None:
    """Raises NotApplicable where a width can't be split."""
    if width % heads:
        raise NotApplicable(f"needs a width divisible by its {heads} heads, not {width}")


def one_of(what: str, word: str, known: tuple[str, ...]) -> str:
    """The word, if it is known; else UsageError."""
    if word not in known:
        raise unknown(what, str(word), known)
    return word


def mixed(width: int, heads: int, *, positions: str | None, **options: Any) -> Mixing:
    """The options of attention and positions. Raises UsageError for an unknown word or a size that can't be,
    NotApplicable where two don't go together or the width can't be split."""
    mixing = Mixing(positions=positions or "none", **options)  # in text, none is read as None
    one_of("positional encoding", mixing.positions, POSITIONS)
    one_of("form of attention", mixing.attention, ATTENTIONS)
    one_of("score of attention", mixing.score, SCORES)
    if mixing.window < 0 or mixing.num_features < 1:
        raise UsageError("attention needs a window of 0 or more places, and 1 or more random features")
    check_heads(width, heads)
    _check_used(mixing)
    if mixing.positions == "rotary" and width // heads % 2:
        raise NotApplicable(f"needs heads of an even size for rotary positions, not {width // heads}")
    if mixing.positions == "alibi" and mixing.kernelised:
        raise NotApplicable(f"needs full or truncated attention for alibi, not {mixing.attention}")
    if mixing.score == "additive" and mixing.kernelised:
        raise NotApplicable(f"needs full or truncated attention for additive scores, not {mixing.attention}")
    return mixing
