"""Many graphs in a few flat tensors, and batches of them gathered by index.

No object exists per graph: graph g owns the nodes `node_starts[g] .. node_starts[g + 1]` and the edges
`edge_starts[g] .. edge_starts[g + 1]`, whose ends are numbered within their graph. A batch is three gathers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..contract.values import GraphBatch


class BadGraph(ValueError):
    """A data set holds a graph that no model could work on; the text says which and why."""


@dataclass(frozen=True)
class Gathered:
    """A batch of graphs, and which of the set's nodes and edges it holds: gather targets with these."""

    graphs: GraphBatch
    nodes: Tensor
    edges: Tensor


class GraphSet:
    """`node_counts`, `edge_counts` (G,): the sizes of the graphs, N nodes and E edges in all; `nodes` (N, F) float;
    `edges` (2, E): source then target, numbered from 0 within each graph, both directions where undirected;
    `edge_features` (E, D) float, or None. Arrays or tensors.

    Edges are sorted by graph, target and source. `edge_order` (E,) says where each came from: put what belongs to edges
    through it (`targets[graphs.edge_order]`).

    Raises BadGraph on an edge to a node that doesn't exist, a feature that isn't finite, or a graph without nodes.
    """

    def __init__(
        self,
        *,
        node_counts: Any,
        nodes: Any,
        edge_counts: Any,
        edges: Any,
        edge_features: Any = None,
        device: str = "cpu",
    ) -> None:
        counts = {"nodes": _array(node_counts), "edges": _array(edge_counts)}
        ends, features = _array(edges), _array(nodes)
        edge_columns = None if edge_features is None else _array(edge_features)
        check_graphs(counts["nodes"], features, counts["edges"], ends, edge_columns)
        graph = np.repeat(np.arange(len(counts["edges"])), counts["edges"])
        order = _edge_order(graph, ends)
        small = np.int16 if counts["nodes"].max(initial=0) < 2**15 else np.int32
        self.edge_order = torch.from_numpy(np.arange(len(graph)) if order is None else order)
        self.nodes = _place(features.astype(np.float32, copy=False), device)
        self.edges = _place((ends if order is None else ends[:, order]).astype(small), device)
        self.edge_features = None
        if edge_columns is not None:
            columns = edge_columns if order is None else edge_columns[order]
            self.edge_features = _place(columns.astype(np.float32, copy=False), device)
        self._counts = {name: torch.from_numpy(c.astype(np.int64)) for name, c in counts.items()}
        self._sizes = {name: c.to(device) for name, c in self._counts.items()}
        self._loopless = not bool((ends[0] == ends[1]).any())
        self._starts = {name: sizes.cumsum(0) - sizes for name, sizes in self._sizes.items()}

    def __len__(self) -> int:
        return len(self._sizes["nodes"])

    @property
    def node_counts(self) -> Tensor:
        """Nodes of each graph (G,)."""
        return self._sizes["nodes"]

    @property
    def edge_counts(self) -> Tensor:
        """Edges of each graph (G,), directed ones."""
        return self._sizes["edges"]

    def sizes_of(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Nodes and edges of each of these graphs, on the CPU: `sums` for `GatheredBatches`, whose totals `gather`
        takes."""
        index = chosen.cpu()
        return self._counts["nodes"][index], self._counts["edges"][index]

    def gather(self, index: Tensor, num_nodes: int | None = None, num_edges: int | None = None) -> Gathered:
        """The graphs `index` (B,) as one batch, in this order. How many nodes and edges they have together is asked of
        the device where it isn't given."""
        node_sizes, firsts, nodes = self._rows("nodes", index, num_nodes)
        edge_sizes, _, edges = self._rows("edges", index, num_edges)
        count = len(index)
        batch = torch.arange(count, device=index.device)
        shift = torch.repeat_interleave(firsts, edge_sizes, output_size=len(edges))
        columns = None if self.edge_features is None else self.edge_features.index_select(0, edges)
        graphs = GraphBatch(
            nodes=self.nodes.index_select(0, nodes),
            edges=self.edges.index_select(1, edges) + shift,
            edge_features=columns,
            graph_ids=torch.repeat_interleave(batch, node_sizes, output_size=len(nodes)),
            num_graphs=count,
            by_target=True,
            loopless=self._loopless,
        )
        return Gathered(graphs, nodes, edges)

    def _rows(self, what: str, index: Tensor, total: int | None) -> tuple[Tensor, Tensor, Tensor]:
        """Of the chosen graphs: their sizes, the place of each one's first row in the batch, and all their rows."""
        sizes = self._sizes[what].index_select(0, index)
        ends = sizes.cumsum(0)
        firsts = ends - sizes
        if total is None:
            total = int(ends[-1]) if len(index) else 0
        rows = torch.repeat_interleave(self._starts[what].index_select(0, index) - firsts, sizes, output_size=total)
        return sizes, firsts, rows.add_(torch.arange(total, device=index.device))


def single_graph(nodes: Tensor, edges: Tensor, edge_features: Tensor | None = None) -> GraphBatch:
    """One graph as a batch: `nodes` (N, F) dense or CSR, `edges` (2, E). Edges are sorted by target and source, numbers
    become float32, as in GraphSet. Raises BadGraph as it does."""
    nodes = nodes.to(torch.float32)
    edge_features = None if edge_features is None else edge_features.to(torch.float32)
    values = nodes
    if nodes.layout == torch.sparse_csr:  # a row's sum is as finite as its values
        values = torch.mv(nodes, torch.ones(nodes.shape[1], dtype=nodes.dtype, device=nodes.device))[:, None]
    counts = np.array([nodes.shape[0]]), np.array([edges.shape[1]])
    columns = None if edge_features is None else edge_features.cpu().numpy()
    check_graphs(counts[0], values.cpu().numpy(), counts[1], edges.cpu().numpy(), columns)
    order = (edges[1] * nodes.shape[0] + edges[0]).argsort(stable=True)
    zeros = torch.zeros(nodes.shape[0], dtype=torch.int64, device=edges.device)
    features = None if edge_features is None else edge_features[order]
    loopless = not bool((edges[0] == edges[1]).any())
    return GraphBatch(nodes, edges[:, order], features, zeros, 1, by_target=True, loopless=loopless)


def check_graphs(node_counts: Any, nodes: Any, edge_counts: Any, edges: Any, edge_features: Any = None) -> None:
    """Raise BadGraph, naming the first graph at fault, unless these flat arrays are graphs to train on."""
    if edges.ndim != 2 or len(edges) != 2 or (edges.size and edges.dtype.kind not in "iu"):
        raise BadGraph(f"edges are whole numbers of the shape (2, E), not {edges.dtype} {edges.shape}")
    if nodes.ndim != 2:
        raise BadGraph(f"nodes have the shape (N, F), not {nodes.shape}")
    if edge_features is not None and (edge_features.ndim != 2 or len(edge_features) != edges.shape[1]):
        raise BadGraph(f"edge features have a row for each of {edges.shape[1]} edges, not {edge_features.shape}")
    if len(node_counts) != len(edge_counts):
        raise BadGraph(f"there are {len(node_counts)} node counts but {len(edge_counts)} edge counts")
    if not len(node_counts):
        raise BadGraph("there are no graphs")
    if node_counts.min() < 1:
        raise BadGraph(f"graph {int(np.argmin(node_counts))} has no nodes")
    if edge_counts.min() < 0 or node_counts.sum() != len(nodes) or edge_counts.sum() != edges.shape[1]:
        raise BadGraph(
            f"the counts add up to {node_counts.sum()} nodes and {edge_counts.sum()} edges, "
            f"but there are {len(nodes)} and {edges.shape[1]}"
        )
    graph = np.repeat(np.arange(len(edge_counts)), edge_counts)
    wrong = (edges < 0) | (edges >= node_counts[graph])
    if wrong.any():
        end, at = (int(i[0]) for i in np.nonzero(wrong))
        last = node_counts[graph[at]] - 1
        raise BadGraph(f"graph {graph[at]} has an edge to node {edges[end, at]}, but its nodes are 0 to {last}")
    for name, values in (("node", nodes), ("edge", edge_features)):
        if values is not None and not np.isfinite(values).all():
            raise BadGraph(f"a feature of {name} {int(np.nonzero(~np.isfinite(values))[0][0])} isn't finite")


def check_splits(splits: Mapping[str, Any], count: int, alias: tuple[str, ...] = ()) -> None:
    """Raise BadGraph where splits overlap, repeat or name something that doesn't exist, or where one is missing.
    `alias`: two splits that a protocol has the same items for, on purpose."""
    seen: dict[str, Any] = {}
    for name in ("train", "val", "test"):
        if name not in splits:
            raise BadGraph(f"there is no split {name}")
        index, items = splits[name], _array(splits[name])
        if len(np.unique(items)) < len(items):
            raise BadGraph(f"the split {name} holds an item twice")
        if outside := [int(i) for i in items if not 0 <= i < count]:
            raise BadGraph(f"the split {name} holds {outside[0]}, but there are only 0 to {count - 1}")
        for other, known in seen.items():
            common = np.intersect1d(items, _array(known))
            if len(common) and {name, other} != set(alias):
                raise BadGraph(f"{int(common[0])} is in the splits {other} and {name}")
        seen[name] = index


def to_pyg(graphs: GraphBatch) -> Any:
    """A `torch_geometric.data.Data` on the same tensors: x, edge_index, edge_attr, batch."""
    from torch_geometric.data import Data

    return Data(x=graphs.nodes, edge_index=graphs.edges, edge_attr=graphs.edge_features, batch=graphs.graph_ids)


def _edge_order(graph: Any, ends: Any) -> Any:
    """The order by graph, target and source; None where edges come in it, as sorting millions takes long."""
    source, target = ends
    step = target[1:].astype(np.int64) - target[:-1]
    ordered = (step > 0) | ((step == 0) & (source[1:] >= source[:-1])) | (graph[1:] != graph[:-1])
    return None if ordered.all() else np.lexsort((source, target, graph))


def _array(values: Any) -> Any:
    return values.cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _place(values: Any, device: str) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(device)
