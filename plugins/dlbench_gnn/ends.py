"""Both ends of a network on graphs: features to states, and node states to a row for each node, edge or graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .deep import LEVELS
from .plain import multipliable
from .structure import Structure

READOUTS = ("mean", "sum", "max")


class Embed(nn.Linear):
    """A linear layer on nodes, whose features may be CSR: x (N, before) -> (N, after)."""

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        y = structure.linear(multipliable(x), self.weight)
        return y if self.bias is None else y + self.bias


class Rows(nn.Module):
    """Node states (N, columns) -> a linear row for each node, edge or graph: (rows, num_outputs).

    `level`: `nodes`, `edges` or `graphs`. A graph's state is the `readout` over its nodes: `mean`, `sum` or `max`. An
    edge's is the state of its source beside that of its target. Raises ValueError on other words.
    """

    def __init__(self, columns: int, num_outputs: int, level: str, readout: str = "mean") -> None:
        super().__init__()
        if level not in LEVELS or readout not in READOUTS:
            raise ValueError(f"level is one of {', '.join(LEVELS)} and readout of {', '.join(READOUTS)}, "
                             f"not {level!r} and {readout!r}")  # fmt: skip
        self.level, self.readout = level, readout
        self.linear = nn.Linear(columns * (2 if level == "edges" else 1), num_outputs)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        if self.level == "graphs":
            x = structure.pool(x, self.readout)
        elif self.level == "edges":
            source, target = structure.edges
            x = torch.cat([x[source], x[target]], dim=1)
        return self.linear(x)
