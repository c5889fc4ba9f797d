"""FLOATER: Liu et al. 2020, "Learning to Encode Position for Transformer with Continuous Dynamical Model".

A place's vector is p(t) at t = 0.1 * place, where dp/dt = h(t, p) and h is a small learned network. Differs from the
paper: the vectors are added to the embeddings only, not in every layer; they are integrated by one step of the classic
Runge-Kutta method per place and differentiated through it, not by an adaptive solver with adjoints.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .unordered import Unordered

INTERVAL = 0.1  # of time between two places


class Floater(Unordered):
    """x + scale * p, with h(t, p) = outer(tanh(inner(t, p))). One walk along the places serves the whole batch, so time
    grows linearly with the length.

    The walk is that of y = inner(t, p), which has `hidden` numbers and moves by dy/dt = A tanh(y) + b with fixed A and
    b: its Runge-Kutta steps are those of p, at a fraction of the operations, and p follows from all of them at once.
    """

    def __init__(self, *, width: int, scale: float = 1.0, hidden: int = 64) -> None:
        super().__init__()
        self.scale = scale
        self.origin = nn.Parameter(torch.randn(1, width))
        self.inner = nn.Linear(1 + width, hidden)  # of the time, then the point
        self.outer = nn.Linear(hidden, width)
        nn.init.normal_(self.outer.weight, std=hidden**-0.5)  # neighbours are to differ from the first step on

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.vectors(x.shape[1])

    def rate(self, time: Tensor, point: Tensor) -> Tensor:
        """h: time (N, 1) and point (N, width) -> (N, width)."""
        return self.outer(self.inner(torch.cat([time, point], dim=1)).tanh())

    def vectors(self, length: int) -> Tensor:
        """p at the places 0 .. length - 1, (length, width)."""
        return self._walk(length)[0][:length]

    def start(self, x: Tensor) -> tuple[Tensor, Any]:
        points, y = self._walk(x.shape[1] + 1)
        rows = x.shape[0]
        return x + self.scale * points[:-1], (points[-1:].expand(rows, -1), y.expand(rows, -1))

    def step(self, x: Tensor, place: Tensor, state: Any) -> tuple[Tensor, Any]:
        point, y = state
        mean, y = advance(y, *self._law())
        moved = torch.add(point, self.outer(mean), alpha=INTERVAL)
        return x + self.scale * point[:, None], (moved, y)

    def _law(self) -> tuple[Tensor, Tensor]:
        """A transposed, (hidden, hidden), and b, (1, hidden)."""
        of_time, of_point = self.inner.weight[:, :1], self.inner.weight[:, 1:]
        return (of_point @ self.outer.weight).T, (of_point @ self.outer.bias[:, None] + of_time).T

    def _walk(self, length: int) -> tuple[Tensor, Tensor]:
        """p at `length` places, at least 1, and y at the last of them."""
        law = self._law()
        y = self.inner(torch.cat([self.origin.new_zeros(1, 1), self.origin], dim=1))
        means = []
        for _ in range(length - 1):
            mean, y = advance(y, *law)
            means.append(mean)
        if not means:
            return self.origin, y
        moves = INTERVAL * self.outer(torch.cat(means))
        return torch.cat([self.origin, self.origin + moves.cumsum(dim=0)]), y


def advance(y: Tensor, matrix: Tensor, drift: Tensor) -> tuple[Tensor, Tensor]:
    """One classic Runge-Kutta step of dy/dt = tanh(y) matrix + drift, y (N, hidden): the mean of tanh(y) on the way,
    and y an interval later."""
    half, whole = torch.add(y, drift, alpha=INTERVAL / 2), torch.add(y, drift, alpha=INTERVAL)
    first = y.tanh()
    second = torch.addmm(half, first, matrix, alpha=INTERVAL / 2).tanh()
    third = torch.addmm(half, second, matrix, alpha=INTERVAL / 2).tanh()
    fourth = torch.addmm(whole, third, matrix, alpha=INTERVAL).tanh()
    mean = torch.add(first + fourth, second + third, alpha=2.0) / 6
    return mean, torch.addmm(whole, mean, matrix, alpha=INTERVAL)
