"""Deep Graph Library's layers, with the conventions of `dlbench_gnn`'s, layer by layer (see `docs/engines.md`).

Wang et al. 2019, "Deep Graph Library: A Graph-Centric, Highly-Performant Package for Graph Neural Networks". Each layer
is called as `layer(x, structure)` with x (N, before) and a `dlbench_gnn.structure.Structure`, and has `out_features`
columns; `sparse` says that it takes CSR features. Options are those of the layer of the same name in `dlbench_gnn`.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench_gnn.norm import RowNorm
from dlbench_gnn.structure import Structure

from .compat import load_dgl
from .convert import graph_of, shuffled

dgl = load_dgl()


class GCNLayer(nn.Module):
    """GraphConv without its own normalisation, which is by out- and in-degree: edges have the weights of `norm`."""

    def __init__(self, before: int, after: int, last: bool = False, *, norm: str = "symmetric") -> None:
        super().__init__()
        self.out_features, self.norm = after, norm
        self.sparse = before > after  # it multiplies by the weights first
        self.conv = dgl.nn.GraphConv(before, after, norm="none", allow_zero_in_degree=True)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        loops = self.norm == "symmetric"
        _, weights = structure.weighted_edges(self.norm, loops)
        return self.conv(graph_of(structure, loops), x, edge_weight=weights)


class ChebLayer(nn.Module):
    """ChebConv without its ReLU, for a largest eigenvalue of 2."""

    sparse = False

    def __init__(self, before: int, after: int, last: bool = False, *, hops: int = 3) -> None:
        super().__init__()
        if hops < 1:
            raise ValueError(f"hops is at least 1, not {hops}")
        self.out_features = after
        self.conv = dgl.nn.ChebConv(before, after, k=hops, activation=None)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        return self.conv(graph_of(structure), x, lambda_max=x.new_full((1,), 2.0))


class SAGELayer(nn.Module):
    """SAGEConv; `max` is its `pool`. Where there is no edge at all, DGL's `pool` sends all gradients to node 0, so
    that only the node's own side is computed."""

    def __init__(
        self,
        before: int,
        after: int,
        last: bool = False,
        *,
        aggregator: str = "mean",
        normalize: bool = False,
        activated: bool = False,
    ) -> None:
        super().__init__()
        self.out_features, self.aggregator, self.activated = after, aggregator, activated
        self.sparse = aggregator == "mean" and before > after
        self.narrow = nn.Linear(before, after) if aggregator == "lstm" and before > after else None
        units = after if self.narrow is not None else before
        name = {"mean": "mean", "max": "pool", "lstm": "lstm"}[aggregator]
        self.conv = dgl.nn.SAGEConv(units, after, name, norm=partial(F.normalize, dim=1) if normalize else None)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        y = self._rows(x if self.narrow is None else self.narrow(x), structure)
        return y.relu() if self.activated else y

    def _rows(self, x: Tensor, structure: Structure) -> Tensor:
        if not structure.edges.shape[1]:
            y = self.conv.fc_self(x)
            return y if self.conv.norm is None else self.conv.norm(y)
        in_any_order = self.aggregator == "lstm" and self.training
        return self.conv(shuffled(structure) if in_any_order else graph_of(structure), x)


class GATLayer(nn.Module):
    """GATConv, with a bias after the heads' mean, and not one for each head before it."""

    sparse = True

    def __init__(
        self,
        before: int,
        after: int,
        last: bool = False,
        *,
        heads: int = 8,
        output_heads: int = 1,
        dropout: float = 0.6,
        loops: bool = True,
    ) -> None:
        super().__init__()
        self.loops, self.last = loops, last
        self.out_features = after if last else heads * after
        count = output_heads if last else heads
        self.conv = dgl.nn.GATConv(before, after, count, attn_drop=dropout, allow_zero_in_degree=True, bias=False)
        self.bias = nn.Parameter(torch.zeros(self.out_features))

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        y = self.conv(graph_of(structure, self.loops), x)  # (N, heads, after)
        return (y.mean(dim=1) if self.last else y.flatten(1)) + self.bias


class GINLayer(nn.Module):
    """GINConv with a trained epsilon."""

    sparse = False

    def __init__(self, before: int, after: int, last: bool = False) -> None:
        super().__init__()
        self.out_features = after
        hidden = before if last else after
        layers = nn.Sequential(nn.Linear(before, hidden), RowNorm(hidden), nn.ReLU(), nn.Linear(hidden, after))
        self.conv = dgl.nn.GINConv(layers, "sum", learn_eps=True)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        return self.conv(graph_of(structure), x)


class MoNetLayer(nn.Module):
    """GMMConv, whose Gaussians have inverse deviations."""

    sparse = True

    def __init__(
        self,
        before: int,
        after: int,
        last: bool = False,
        *,
        kernels: int = 3,
        aggregation: str = "mean",
        loops: bool = True,
        project: bool = False,
    ) -> None:
        super().__init__()
        self.out_features, self.loops = after, loops
        self.project = nn.Sequential(nn.Linear(2, 2), nn.Tanh()) if project else None
        self.conv = dgl.nn.GMMConv(before, after, 2, kernels, aggregation, allow_zero_in_degree=True)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        places = structure.coordinates(self.loops)  # (E, 2)
        return self.conv(graph_of(structure, self.loops), x, places if self.project is None else self.project(places))
