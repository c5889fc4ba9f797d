"""What layers need to know of a batch's edges, each thing computed once."""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .kept import Kept
from .sparse import Transposed, multiply, tally

NORMS = ("sum", "mean", "symmetric")


class Structure:
    """The edges of a batch of graphs, and what follows from them.

    `num_nodes`, `edges` (2, E): source then target; `edge_features` (E, D) or None; `graph_ids` (N,), `num_graphs`.
    """

    def __init__(self, inputs: Any) -> None:
        self.num_nodes = inputs.nodes.shape[0]
        self.edges: Tensor = inputs.edges
        self.edge_features: Tensor | None = inputs.edge_features
        self.graph_ids: Tensor = inputs.graph_ids
        self.num_graphs: int = inputs.num_graphs
        self.by_target: bool = inputs.by_target
        self.loopless: bool = inputs.loopless
        self._kept: dict[Any, Any] = {}
        self._places: tuple[Tensor, Tensor] | None = None

    def in_degrees(self) -> Tensor:
        """Edges into each node, (N,) float."""
        return self._once("in", lambda: self._count(self.edges[1]))

    def looped_edges(self) -> Tensor:
        """The edges without self-loops that were there, then one self-loop per node, (2, E')."""
        return self._once("looped", self._add_loops)

    def weighted_edges(self, norm: str, loops: bool = False) -> tuple[Tensor, Tensor]:
        """Edges (2, E) and their weights (E,): 1 for `sum`; 1 / in-degree of the target for `mean`; 1 / root of the
        product of the in-degrees for `symmetric` (Kipf & Welling 2017). With `loops`, self-loops are edges too."""
        if norm not in NORMS:
            raise ValueError(f"norm is one of {', '.join(NORMS)}, not {norm!r}")
        return self._once(("weighted", norm, loops), lambda: self._weigh(norm, loops))

    def adjacency(self, norm: str, loops: bool = False) -> Tensor:
        """The weighted edges as a CSR matrix (N, N), a row per target."""
        by_target = self.by_target and not loops  # loops stand at the end
        return self._once(("csr", norm, loops), lambda: self._csr(*self.weighted_edges(norm, loops), by_target))

    def linear(self, x: Tensor, weight: Tensor) -> Tensor:
        """x (N, F), dense or CSR, times weight (D, F) -> (N, D). For the gradient CSR features are transposed once for
        all that share their indices, as those do from which dropout takes values."""
        if x.layout != torch.sparse_csr:
            return F.linear(x, weight)
        places = (x.crow_indices(), x.col_indices())
        if self._places is None or any(map(_elsewhere, places, self._places)):
            self._places, self._turned = places, Transposed(x)
        return multiply(x, weight.T, self._turned)

    def propagate(self, x: Tensor, norm: str, loops: bool = False) -> Tensor:
        """The weighted sum of each node's neighbours: x (N, D) -> (N, D)."""
        if not torch.is_autocast_enabled(x.device.type):
            matrix = self.adjacency(norm, loops)
            return multiply(matrix, x, self._once(("transposed", norm, loops), lambda: Transposed(matrix)))
        (source, target), weights = self.weighted_edges(norm, loops)
        return torch.zeros_like(x).index_add(0, target, x[source] * weights[:, None].to(x.dtype))

    def sum_edges(self, values: Tensor) -> Tensor:
        """The sum over the edges into each node: values (E, D), a row per edge -> (N, D)."""
        return values.new_zeros(self.num_nodes, values.shape[1]).index_add(0, self.edges[1], values)

    def coordinates(self, loops: bool) -> Tensor:
        """1 / root of (in-degree + 1) of each edge's target, then of its source: (E, 2), (E', 2) with `loops`."""
        return self._once(("coordinates", loops), lambda: self._locate(loops))

    def reversed(self) -> Structure:
        """The same nodes with every edge turned round."""
        return self._once("reversed", self._reverse)

    def pool(self, x: Tensor, how: str) -> Tensor:
        """`sum`, `mean` or `max` over each graph's nodes: x (N, D) -> (B, D)."""
        if how == "max":
            return largest(x, self.graph_ids, self.num_graphs)
        total = x.new_zeros(self.num_graphs, x.shape[1]).index_add(0, self.graph_ids, x)
        if how == "sum":
            return total
        counts = self._once("sizes", lambda: tally(self.graph_ids, self.num_graphs))
        return total / counts[:, None].clamp(min=1)

    def kept(self, key: Any, make: Any) -> Any:
        """`make()`, called once for each key: what another engine makes of these edges."""
        return self._once(key, make)

    def _once(self, key: Any, make: Any) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def _reverse(self) -> Structure:
        turned = copy(self)
        turned.edges, turned._kept, turned.by_target = self.edges.flip(0), {}, False
        return turned

    def _count(self, ends: Tensor) -> Tensor:
        return tally(ends, self.num_nodes).float()

    def _add_loops(self) -> Tensor:
        edges = self.edges if self.loopless else self.edges[:, self.edges[0] != self.edges[1]]
        nodes = torch.arange(self.num_nodes, device=edges.device)
        return torch.cat([edges, nodes.expand(2, -1)], dim=1)

    def _weigh(self, norm: str, loops: bool) -> tuple[Tensor, Tensor]:
        edges = self.looped_edges() if loops else self.edges
        source, target = edges
        if norm == "sum":
            return edges, torch.ones(edges.shape[1], device=edges.device)
        degrees = self._count(target)
        if norm == "mean":
            return edges, degrees.reciprocal()[target]
        scale = degrees.clamp(min=1).rsqrt()
        return edges, scale[source] * scale[target]

    def _locate(self, loops: bool) -> Tensor:
        source, target = self.looped_edges() if loops else self.edges
        scale = self._count(self.looped_edges()[1]).rsqrt()
        return torch.stack([scale[target], scale[source]], dim=1)

    def _csr(self, edges: Tensor, weights: Tensor, by_target: bool) -> Tensor:
        source, target = edges
        if not by_target:
            order = target.argsort(stable=True)
            source, target, weights = source[order], target[order], weights[order]
        counts = tally(target, self.num_nodes)
        pointers = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        shape = (self.num_nodes, self.num_nodes)
        return torch.sparse_csr_tensor(pointers, source, weights, shape, check_invariants=False)


def largest(values: Tensor, index: Tensor, count: int) -> Tensor:
    """The largest of the rows with the same index, column by column: values (E, D) -> (count, D); 0 where none has it.

    Equal ones share the gradient. It is that of `spread`, as torch's own backward pass is slow.
    """
    rows = index[:, None].expand_as(values)
    with torch.no_grad():
        low = values.new_full((count, values.shape[1]), -torch.inf)
        most = low.scatter_reduce(0, rows, values, "amax")
        chosen = (values == most.index_select(0, index)).to(values.dtype)
        ties = torch.zeros_like(most).index_add(0, index, chosen)
        shares = chosen / ties.index_select(0, index)
        most = most.masked_fill(ties == 0, 0)
    spread = torch.zeros_like(most).index_add(0, index, values * shares)
    return most + (spread - spread.detach())


class Latest:
    """The structure of the last batch, kept for as long as batches have the same edges: a full graph's is made once."""

    def __init__(self) -> None:
        self._kept = Kept()

    def __call__(self, inputs: Any) -> Structure:
        tensors = (inputs.edges, inputs.graph_ids, *(() if inputs.edge_features is None else (inputs.edge_features,)))
        return self._kept(lambda: Structure(inputs), *tensors)


def _elsewhere(a: Tensor, b: Tensor) -> bool:
    return a.data_ptr() != b.data_ptr() or a.shape != b.shape
