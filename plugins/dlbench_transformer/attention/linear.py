"""Linear attention: feature maps take the place of the softmax, so that sums over keys are shared by all queries.

Katharopoulos et al. 2020, "Transformers are RNNs: Fast Autoregressive Transformers with Linear Attention". With rotary
positions the numerator is turned and the denominator is not, as in Su et al. 2021, "RoFormer", section 3.3.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..positions.rotary import Turn, rotate

CHUNK = 64
TINY = 1e-20


class EluFeatures(nn.Module):
    """elu(x) + 1, which is positive."""

    def forward(
        self, query: Tensor, key: Tensor, mask: Tensor | None = None, whole: bool = False
    ) -> tuple[Tensor, Tensor]:
        return F.elu(query) + 1, F.elu(key) + 1


class Linear(nn.Module):
    """phi(q) . sum of phi(k) v, divided by phi(q) . sum of phi(k). Interface as in `Full`.

    `features(query, key, mask, whole)` gives phi of both, (B, heads, T, M), positive; `whole` says that all keys under
    the mask are there, and one factor on all of them cancels. Time and memory grow with T: a causal model keeps one sum
    for each chunk of 64 places, not for each place. There are no weights of pairs to drop out. Sums are kept in single
    precision or better, whatever autocast says: over a long text, half precision would lose what is added last.
    """

    def __init__(self, features: nn.Module, *, causal: bool = False) -> None:
        super().__init__()
        self.features, self.causal = features, causal
        self.rotates = isinstance(features, EluFeatures)

    def prepare(self, length: int, lengths: Tensor | None, like: Tensor) -> Tensor | None:
        """(B, 1, T, 1): which keys are no padding."""
        if lengths is None or self.causal:
            return None
        return (torch.arange(length, device=like.device) < lengths[:, None])[:, None, :, None]

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, turn: Turn | None = None
    ) -> Tensor:
        with torch.autocast(value.device.type, enabled=False):
            return self._attend(*widened(query, key, value), mask, turn).to(value.dtype)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, turn: Turn | None) -> Tensor:
        query, key = self.features(query, key, mask, not self.causal)
        if mask is not None:
            key = key.masked_fill(~mask, 0.0)
        total = causal_product if self.causal else product
        if turn is None:
            return divide(total(query, key, with_ones(value)))
        ones = value.new_ones(1).expand(*value.shape[:-1], 1)
        norm = total(query, key, ones).clamp(min=TINY)
        return total(rotate(query, turn), rotate(key, turn), value) / norm

    def start(self, key: Tensor, value: Tensor, turn: Turn | None = None) -> Any:
        """The sum of phi(k) (v, 1), (N, heads, M, size + 1), and with rotary positions that of the turned phi(k)."""
        with torch.autocast(value.device.type, enabled=False):
            key, value = widened(key, value)
            key = self.features(key, key)[1]
            return tuple(part.transpose(-2, -1) @ with_ones(value) for part in self._parts(key, turn))

    def step(
        self, query: Tensor, key: Tensor, value: Tensor, cache: Any, turn: Turn | None = None
    ) -> tuple[Tensor, Any]:
        dtype = value.dtype
        with torch.autocast(value.device.type, enabled=False):
            query, key, value = widened(query, key, value)
            query, key = self.features(query, key)
            keys, queries = self._parts(key, turn), self._parts(query, turn)
            ones = with_ones(value)
            cache = tuple(sums + part.transpose(-2, -1) @ ones for sums, part in zip(cache, keys, strict=True))
            found = [part @ sums for part, sums in zip(queries, cache, strict=True)]  # each (N, heads, 1, size + 1)
            return (found[-1][..., :-1] / found[0][..., -1:].clamp(min=TINY)).to(dtype), cache

    def _parts(self, x: Tensor, turn: Turn | None) -> tuple[Tensor, ...]:
        return (x,) if turn is None else (x, rotate(x, turn))


def widened(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The same in single precision, where they are in half."""
    return tuple(tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor for tensor in tensors)


def with_ones(value: Tensor) -> Tensor:
    """A column of ones beside the values makes the denominator one more column of the numerator."""
    return F.pad(value, (0, 1), value=1.0)


def divide(x: Tensor) -> Tensor:
    """By the last column."""
    return x[..., :-1] / x[..., -1:].clamp(min=TINY)


def product(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Every query on the sum over all keys: (B, heads, T, M), the same, (B, heads, T, E) -> (B, heads, T, E)."""
    return query @ (key.transpose(-2, -1) @ value)


def causal_product(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Every query on the sum over the keys up to its own place: sums of whole chunks, and pairs within a chunk."""
    length = query.shape[2]
    chunk = min(CHUNK, length)
    rest = -length % chunk
    if rest:
        query, key, value = (F.pad(x, (0, 0, 0, rest)) for x in (query, key, value))
    query, key, value = (x.unflatten(2, (-1, chunk)) for x in (query, key, value))  # (B, heads, chunks, chunk, .)
    out = (query @ key.transpose(-2, -1)).tril() @ value
    if query.shape[2] > 1:
        sums = key[:, :, :-1].transpose(-2, -1) @ value[:, :, :-1]  # (B, heads, chunks - 1, M, E)
        earlier = F.pad(sums.cumsum(dim=2), (0, 0, 0, 0, 1, 0))
        out = out + query @ earlier
    return out.flatten(2, 3)[:, :, :length]
