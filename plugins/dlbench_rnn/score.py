"""How well a decoder's state and a place of the source fit together: scores for attention.

`AdditiveScore`: Bahdanau, Cho, Bengio 2015, "Neural Machine Translation by Jointly Learning to Align and Translate".
`DotScore`: Luong, Pham, Manning 2015, "Effective Approaches to Attention-based Neural Machine Translation", the one
that they call general, as states of source and decoder may differ in size.

Both split the work: `keys` once per source, the call once per query.
"""

from __future__ import annotations

from torch import Tensor, nn


class AdditiveScore(nn.Module):
    """v tanh(W query + U source + b)."""

    def __init__(self, *, query: int, source: int, width: int) -> None:
        super().__init__()
        self.of_source = nn.Linear(source, width)
        self.of_query = nn.Linear(query, width, bias=False)
        self.weigh = nn.Linear(width, 1, bias=False)

    def keys(self, source: Tensor) -> Tensor:
        """(B, T, source) -> (B, T, width)."""
        return self.of_source(source)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Queries (B, U, query), keys (B, T, width) -> scores (B, U, T)."""
        mixed = self.of_query(queries)[:, :, None] + keys[:, None]  # (B, U, T, width)
        return self.weigh(mixed.tanh_()).squeeze(-1)


class DotScore(nn.Module):
    """query . W source."""

    def __init__(self, *, query: int, source: int, width: int) -> None:
        """`width` is not used: there is no layer between."""
        super().__init__()
        self.of_source = nn.Linear(source, query, bias=False)

    def keys(self, source: Tensor) -> Tensor:
        """(B, T, source) -> (B, T, query)."""
        return self.of_source(source)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Queries (B, U, query), keys (B, T, query) -> scores (B, U, T)."""
        return queries @ keys.transpose(1, 2)


SCORES = {"additive": AdditiveScore, "dot": DotScore}
