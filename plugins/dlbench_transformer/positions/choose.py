"""The positional encoding of a name."""

from __future__ import annotations

from .floater import Floater
from .learned import Learned
from .recurrent import Recurrent
from .sinusoidal import Sinusoidal
from .unordered import Unordered


def added_positions(name: str, *, width: int, max_length: int, scale: float) -> Unordered:
    """What a name adds to embeddings of the size `scale`: nothing for `none`, and for `rotary` and `alibi`, which act
    inside attention. `max_length` is the limit of `learned`."""
    if name == "sinusoidal":
        return Sinusoidal(width=width, amplitude=scale)
    if name == "learned":
        return Learned(width=width, max_length=max_length, std=scale)
    if name == "rnn":
        return Recurrent(width=width, scale=scale)
    if name == "floater":
        return Floater(width=width, scale=scale)
    if name in ("none", "rotary", "alibi"):
        return Unordered()
    raise ValueError(f"there is no positional encoding {name!r}")
