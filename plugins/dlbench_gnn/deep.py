"""The form of networks on many graphs: embed, layers of equal width with batch norm and residuals, read out, classify.

Dwivedi et al. 2023, "Benchmarking Graph Neural Networks": four layers for about 100,000 parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .norm import RowNorm
from .plain import Activation, multipliable
from .structure import Latest, Structure

LEVELS = ("nodes", "edges", "graphs")


class DeepNetwork(nn.Module):
    """Graph -> a row for each node, edge or graph, as `level` says: (rows, num_outputs).

    `layer(before, after, last)` makes a layer, called as `layer(x, structure)`, with `out_features` columns; one that
    is `activated` has had its nonlinearity. The last layer is asked for all columns at once: of several heads it has
    one.
    `jump` `last` reads out the last layer's states; `sum` gives every layer's states (the embedding's too) a linear
    head of their own and adds up the results (Xu et al. 2019, "How Powerful are Graph Neural Networks?"). `readout`
    over a graph's nodes: `mean`, `sum` or `max`. An edge's state is that of its source beside that of its target.
    """

    def __init__(
        self,
        *,
        layer: Callable[[int, int, bool], nn.Module],
        features: int,
        num_outputs: int,
        level: str,
        width: int,
        depth: int = 4,
        dropout: float = 0.0,
        activation: Activation = F.relu,
        residual: bool = True,
        batch_norm: bool = True,
        jump: str = "last",
        readout: str = "mean",
    ) -> None:
        super().__init__()
        if depth < 1 or level not in LEVELS or jump not in ("last", "sum"):
            raise ValueError(f"can't build depth={depth}, level={level!r}, jump={jump!r}: jump is 'last' or 'sum'")
        if readout not in ("mean", "sum", "max"):
            raise ValueError(f"readout is 'mean', 'sum' or 'max', not {readout!r}")
        self.dropout, self.activation, self.residual = dropout, activation, residual
        self.level, self.readout = level, readout
        layers: list[Any] = [layer(width, width, False)]
        units = layers[0].out_features  # several heads side by side have more columns than `width`
        if units != width:
            layers = [layer(units, width, False)]
        layers += [layer(units, width, False) for _ in range(depth - 2)]
        layers = [*layers, layer(units, units, True)] if depth > 1 else [layer(units, units, True)]
        self.embed = nn.Linear(features, units)
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(RowNorm(units) for _ in range(depth)) if batch_norm else None
        columns = units * (2 if level == "edges" else 1)
        count = depth + 1 if jump == "sum" else 0
        self.heads = nn.ModuleList(nn.Linear(columns, num_outputs) for _ in range(count))
        self.head = None if jump == "sum" else pyramid(columns, num_outputs)
        self.structure_of = Latest()

    def forward(self, inputs: Any) -> Tensor:
        structure = self.structure_of(inputs)
        x = structure.linear(multipliable(inputs.nodes), self.embed.weight) + self.embed.bias
        states = self.states(x, structure)
        if self.head is not None:
            return self.head(self.read(states[-1], structure))
        rows = [head(self.read(state, structure)) for head, state in zip(self.heads, states, strict=True)]
        return torch.stack(rows).sum(dim=0)

    def states(self, x: Tensor, structure: Structure) -> list[Tensor]:
        """The nodes' states (N, D): as embedded, which is x, and after each layer."""
        states = [x]
        for index, layer in enumerate(self.layers):
            states.append(self.update(index, layer(states[-1], structure), states[-1]))
        return states

    def update(self, index: int, y: Tensor, x: Tensor) -> Tensor:
        """What becomes of a layer's answer y to its input x, both (N, D)."""
        y = y if self.norms is None else self.norms[index](y)
        y = y if getattr(self.layers[index], "activated", False) else self.activation(y)
        return F.dropout(x + y if self.residual else y, self.dropout, self.training)

    def read(self, x: Tensor, structure: Structure) -> Tensor:
        """Node states (N, D) -> a row for each node, edge or graph."""
        if self.level == "graphs":
            return structure.pool(x, self.readout)
        if self.level == "edges":
            source, target = structure.edges
            return torch.cat([x[source], x[target]], dim=1)
        return x


def pyramid(before: int, after: int) -> nn.Module:
    """Linear layers that halve the width twice."""
    half, quarter = max(before // 2, 1), max(before // 4, 1)
    return nn.Sequential(
        nn.Linear(before, half), nn.ReLU(), nn.Linear(half, quarter), nn.ReLU(), nn.Linear(quarter, after)
    )


class OneNumber(nn.Module):
    """A network whose single output column is a number per row: (B, 1) -> (B,)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Any) -> Tensor:
        return self.network(inputs).squeeze(1)

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """The network's own parts."""
        own = getattr(self.network, "parts", None)
        return own() if callable(own) else {"all": self.parameters()}
