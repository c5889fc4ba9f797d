"""The multi-layer perceptron on the nodes of graphs, read out for graphs or edges. It never looks at the neighbours.

Dwivedi et al. 2023, "Benchmarking Graph Neural Networks", the baseline of its tables: layers on each node by itself,
the mean over a graph's nodes (or an edge's two ends side by side), then a network that halves the width twice. A sum
in the mean's place also tells how many nodes there are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .mlp import drop, hidden_layers

READOUTS = ("mean", "sum", "max")


class ReadoutMLP(nn.Module):
    """Graphs -> a row of `num_classes` numbers for each graph or edge, as `level` (`graphs` or `edges`) says.

    `inputs` has `.nodes` (N, features), dense or CSR, `.edges` (2, E), `.graph_ids` (N,) and `.num_graphs`. `readout`:
    over a graph's nodes, `mean`, `sum` or `max`. The other options are those of `MLP`.
    """

    def __init__(
        self,
        *,
        features: int,
        num_classes: int,
        level: str,
        readout: str = "mean",
        width: int = 256,
        depth: int = 2,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        norm: str | None = None,
    ) -> None:
        super().__init__()
        if level not in ("graphs", "edges"):
            raise ValueError(f"level is 'graphs' or 'edges', not {level!r}")
        if readout not in READOUTS:
            raise ValueError(f"readout is one of {', '.join(READOUTS)}, not {readout!r}")
        self.level, self.readout, self.input_dropout = level, readout, input_dropout
        self.hidden = hidden_layers(features, width, depth, dropout, norm)
        before = 2 * width if level == "edges" else width
        half, quarter = max(before // 2, 1), max(before // 4, 1)
        self.output = nn.Sequential(
            nn.Linear(before, half), nn.ReLU(), nn.Linear(half, quarter), nn.ReLU(), nn.Linear(quarter, num_classes)
        )

    def forward(self, inputs: Any) -> Tensor:
        """(B, num_classes) or (E, num_classes)"""
        states = self.hidden(drop(inputs.nodes, self.input_dropout, self.training))  # (N, width)
        if self.level == "edges":
            source, target = inputs.edges
            return self.output(torch.cat([states[source], states[target]], dim=1))
        return self.output(by_graph(states, inputs.graph_ids, inputs.num_graphs, self.readout))


def by_graph(states: Tensor, graph_ids: Tensor, num_graphs: int, readout: str) -> Tensor:
    """The mean, sum or maximum over each graph's nodes: states (N, D) -> (B, D)."""
    zeros = states.new_zeros(num_graphs, states.shape[1])
    if readout == "max":
        return zeros.scatter_reduce(0, graph_ids[:, None].expand_as(states), states, "amax", include_self=False)
    sums = zeros.index_add(0, graph_ids, states)
    if readout == "sum":
        return sums
    counts = sums.new_zeros(num_graphs).index_add(0, graph_ids, sums.new_ones(len(graph_ids)))
    return sums / counts.clamp(min=1)[:, None]
