"""No positional encoding: what stands where plays no role beyond what a causal mask reveals."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Unordered(nn.Module):
    """Adds nothing. The base of all encodings that are added to embeddings.

    `forward(x)` takes and returns (B, T, width). A decoder reads a beginning with `start(x) -> (x, state)`, T >= 0, and
    goes on with `step(x, place, state) -> (x, state)`: x (N, 1, width), place (N,) counts from 0, the state's tensors
    have N rows.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x

    def start(self, x: Tensor) -> tuple[Tensor, Any]:
        return self(x), ()

    def step(self, x: Tensor, place: Tensor, state: Any) -> tuple[Tensor, Any]:
        return x, state
