"""A gated recurrent network whose gates are graph convolutions on the edges of each time step.

Seo et al. 2018, "Structured Sequence Modeling with Graph Convolutional Recurrent Networks", model 2. What differs: the
gated recurrent unit (Cho et al. 2014) stands for the LSTM, and a convolution weighs a node's own state and the sum (or
mean, or maximum) of its neighbours', where the paper has Chebyshev polynomials: a sum tells a node with some marked
neighbour from one with none.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .kept import Kept

AGGREGATIONS = {"sum": "sum", "mean": "mean", "max": "amax"}


class GConvGRU(nn.Module):
    """Graphs whose edges change with time -> logits per node (N, num_classes), from the states after the last step.

    `inputs` has `.nodes` (N, features), the same in every step, `.edges` (2, E), source then target, `.times` (E,)
    int64, ascending, and `.num_steps`. `depth`: recurrent layers, each of which takes the states of the one below.
    """

    def __init__(
        self,
        *,
        features: int,
        num_classes: int,
        width: int = 32,
        depth: int = 1,
        dropout: float = 0.0,
        aggregation: str = "sum",
    ) -> None:
        super().__init__()
        if depth < 1 or aggregation not in AGGREGATIONS:
            raise ValueError(f"depth is at least 1 and aggregation sum, mean or max, not {depth} and {aggregation!r}")
        self.cells = nn.ModuleList(Cell(features if not i else width, width, aggregation) for i in range(depth))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, num_classes)
        self.kept = Kept()

    def forward(self, inputs: Any) -> Tensor:
        edges, times, steps, sizes = inputs.edges, inputs.times, inputs.num_steps, inputs.step_sizes
        by_step = self.kept(lambda: split_by_step(edges, times, steps, sizes), edges, times)
        states = [inputs.nodes] * steps
        for cell in self.cells:
            states = cell(states, by_step)
        return self.output(self.dropout(states[-1]))


class Cell(nn.Module):
    """One recurrent layer: inputs (N, before) of each step -> states (N, width) of each step.

    With conv(x) = W x + V (aggregate of x over the neighbours in this step), r and z between 0 and 1:
    r, z = sigmoid(conv(x) + conv(h)); c = tanh(conv(x) + conv(r h)); h = z h + (1 - z) c.
    """

    def __init__(self, before: int, width: int, aggregation: str) -> None:
        super().__init__()
        self.width, self.aggregation = width, aggregation
        self.of_inputs = nn.Linear(2 * before, 3 * width)
        self.of_states = nn.Linear(2 * width, 2 * width, bias=False)
        self.of_reset = nn.Linear(2 * width, width, bias=False)

    def forward(self, inputs: list[Tensor], by_step: list[Tensor]) -> list[Tensor]:
        state = inputs[0].new_zeros(inputs[0].shape[0], self.width)
        states = []
        for x, edges in zip(inputs, by_step, strict=True):
            from_inputs = self.of_inputs(self.beside(x, edges))  # (N, 3 width)
            gates, candidate = from_inputs.split([2 * self.width, self.width], dim=1)
            reset, keep = (gates + self.of_states(self.beside(state, edges))).sigmoid().chunk(2, dim=1)
            candidate = (candidate + self.of_reset(self.beside(reset * state, edges))).tanh()
            state = keep * state + (1 - keep) * candidate
            states.append(state)
        return states

    def beside(self, x: Tensor, edges: Tensor) -> Tensor:
        """Each node's row and the aggregate of its neighbours', side by side: x (N, D) -> (N, 2 D)."""
        return torch.cat([x, aggregate(x, edges, self.aggregation)], dim=1)


def aggregate(x: Tensor, edges: Tensor, how: str) -> Tensor:
    """`sum`, `mean` or `max` over the sources of each node's edges (2, E), zero where it has none: (N, D) -> (N, D)."""
    source, target = edges
    places = target[:, None].expand(-1, x.shape[1])
    return torch.zeros_like(x).scatter_reduce(
        0, places, x.index_select(0, source), AGGREGATIONS[how], include_self=False
    )


def split_by_step(edges: Tensor, times: Tensor, num_steps: int, sizes: list[int] | None = None) -> list[Tensor]:
    """The edges of each step, from edges (2, E) in ascending order of their times (E,). `sizes`: how many each step
    has, where it is known; else the times are counted."""
    if sizes is None:
        sizes = torch.bincount(times, minlength=num_steps).tolist()
    return list(edges.split(sizes, dim=1))
