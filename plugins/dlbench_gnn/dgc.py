"""Diffusion graph convolution: Li et al. 2018, "Diffusion Convolutional Recurrent Neural Network: Data-Driven Traffic
Forecasting".

Random walks along the edges and against them, each number of steps in each direction with weights of its own: the sum
over k of (D_O^-1 W)^k x A_k + (D_I^-1 W^T)^k x B_k + b. The zeroth step is the same in both directions, so it has one
weight matrix. Only the convolution is taken from the paper, not the recurrence over time. Where every edge is there in
both directions the two walks are one and the same, and half of the weights are redundant. Edges have no weights.
"""

from __future__ import annotations

from torch import Tensor, nn

from .ends import Embed
from .structure import Structure


class DGCLayer(nn.Module):
    """x (N, before), dense or CSR -> (N, after). `hops`: the longest walk."""

    sparse = True

    def __init__(self, before: int, after: int, last: bool = False, *, hops: int = 2) -> None:
        super().__init__()
        if hops < 1:
            raise ValueError(f"hops is at least 1, not {hops}")
        self.out_features, self.hops = after, hops
        self.linear = Embed(before, after)
        self.walks = Embed(before, 2 * hops * after, bias=False)  # weights first, so that `after` columns walk

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        columns = self.walks(x, structure).chunk(2 * self.hops, dim=1)
        out = self.linear(x, structure)
        for way, steps in ((structure, columns[: self.hops]), (structure.reversed(), columns[self.hops :])):
            state = steps[-1]  # from the longest walk inwards: P(y_1 + P(y_2 + ...))
            for y in reversed(steps[:-1]):
                state = y + way.propagate(state, "mean")
            out = out + way.propagate(state, "mean")
        return out
