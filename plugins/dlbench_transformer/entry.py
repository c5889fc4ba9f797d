"""From tokens or a series to vectors with positions: the way in of every text model."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .positions.choose import added_positions


class Entry(nn.Module):
    """Token ids (B, T), or steps of several numbers (B, T, features) -> (B, T, width): embedded, times `scale`, with
    positions added, dropped out.

    `vocab` or `features` says which of the two it reads. `std`: how large the embeddings are after `scale`, on average,
    so that positions begin as large. `positions` and `max_length`: see `added_positions`.
    """

    def __init__(
        self,
        *,
        vocab: int | None = None,
        features: int | None = None,
        width: int,
        positions: str,
        max_length: int,
        std: float,
        scale: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if (vocab is None) == (features is None):
            raise ValueError("give either vocab or features")
        self.embed = nn.Embedding(vocab, width) if vocab is not None else nn.Linear(features, width)  # type: ignore[arg-type]
        self.positions = added_positions(positions, width=width, max_length=max_length, scale=std)
        self.scale, self.dropout = scale, nn.Dropout(dropout)

    def forward(self, values: Tensor) -> Tensor:
        return self.dropout(self.positions(self.embedded(values)))

    def start(self, ids: Tensor) -> tuple[Tensor, Any]:
        """A beginning of T >= 0 tokens, and what the positions after it need to know."""
        x, state = self.positions.start(self.embedded(ids))
        return self.dropout(x), state

    def step(self, token: Tensor, place: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One more token (N,), the `place`-th (N,) from 0 -> (N, 1, width)."""
        x, state = self.positions.step(self.embedded(token[:, None]), place, state)
        return self.dropout(x), state

    def embedded(self, values: Tensor) -> Tensor:
        x = self.embed(values)
        return x if self.scale == 1.0 else x * self.scale


def values_of(inputs: Any) -> Tensor:
    """The ids (B, T) of a token batch, or the values (B, T, features) of a series batch."""
    return inputs.ids if hasattr(inputs, "ids") else inputs.values
