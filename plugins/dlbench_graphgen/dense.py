"""Graphs of a batch side by side in dense tensors of one size, back again, and in an order of their nodes.

Nothing here waits for the device but `to_graphs`, whose result has as many rows as there are nodes and edges.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dlbench import GraphBatch

ORDERS = ("cardinality", "bfs", "degree", "given")


class DenseGraphs(NamedTuple):
    """B graphs of at most N nodes. `nodes` (B, N, F) float: their features, 0 beyond a graph's size. `bonds` (B, N, N)
    int64: 0 where no edge leads from one node to another, else 1 plus the edge's type, which is the place of its
    largest feature (so 1 where edges have none). `sizes` (B,) int64."""

    nodes: Tensor
    bonds: Tensor
    sizes: Tensor

    @property
    def mask(self) -> Tensor:
        """Which nodes there are, (B, N) bool: the first of each row."""
        return torch.arange(self.nodes.shape[1], device=self.sizes.device) < self.sizes[:, None]


def to_dense(graphs: GraphBatch, nodes_max: int) -> DenseGraphs:
    """The graphs in tensors for `nodes_max` nodes each, nodes in the order of the batch. Raises ValueError for a graph
    with more nodes, where that can be seen without waiting for a GPU."""
    ids, count = graphs.graph_ids, graphs.num_graphs
    sizes = torch.zeros(count, dtype=torch.int64, device=ids.device).index_add_(0, ids, torch.ones_like(ids))
    if ids.device.type == "cpu" and count and int(sizes.max()) > nodes_max:
        raise ValueError(f"a graph has {int(sizes.max())} nodes, but there is room for {nodes_max}")
    starts = sizes.cumsum(0) - sizes
    within = torch.arange(len(ids), device=ids.device) - starts.index_select(0, ids)
    place = ids * nodes_max + within
    columns = graphs.nodes.shape[1]
    nodes = graphs.nodes.new_zeros(count * nodes_max, columns).index_copy_(0, place, graphs.nodes)
    source, target = graphs.edges
    cells = place.index_select(0, source) * nodes_max + within.index_select(0, target)
    features = graphs.edge_features
    kinds = torch.ones_like(cells) if features is None else features.argmax(dim=1) + 1
    bonds = torch.zeros(count * nodes_max**2, dtype=torch.int64, device=ids.device).scatter_(0, cells, kinds)
    return DenseGraphs(nodes.view(count, nodes_max, columns), bonds.view(count, nodes_max, nodes_max), sizes)


def to_graphs(dense: DenseGraphs, bond_types: int = 0) -> GraphBatch:
    """The same graphs as a batch, without edges from a node to itself. `bond_types`: how many types of edges there are,
    which become one-hot edge features; 0 for edges without features."""
    mask, count = dense.mask, len(dense.sizes)
    numbers = (mask.flatten().cumsum(0) - 1).view_as(mask)
    loops = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    there = (dense.bonds > 0) & mask[:, :, None] & mask[:, None, :] & ~loops
    graph, target, source = there.transpose(1, 2).nonzero(as_tuple=True)  # ascending by target, then by source
    features = None
    if bond_types:
        kinds = dense.bonds[graph, source, target] - 1
        features = torch.nn.functional.one_hot(kinds, bond_types).float()
    return GraphBatch(
        nodes=dense.nodes[mask],
        edges=torch.stack([numbers[graph, source], numbers[graph, target]]),
        edge_features=features,
        graph_ids=torch.arange(count, device=mask.device)[:, None].expand_as(mask)[mask],
        num_graphs=count,
        by_target=True,
        loopless=True,
    )


def ordered(dense: DenseGraphs, order: str) -> DenseGraphs:
    """The same graphs with their nodes in one of `ORDERS`; ties are broken, and searches begun, at random:

    - `cardinality`: next comes the node with the most neighbours among those that came before (Tarjan & Yannakakis
      1984), so that groups of well-joined nodes stay together;
    - `bfs`: breadth first, as in You et al. 2018;
    - `degree`: from many neighbours to few;
    - `given`: as they are.
    """
    if order == "given":
        return dense
    mask = dense.mask
    priority = torch.rand(mask.shape, device=mask.device)
    near = dense.bonds > 0
    if order == "degree":
        degrees = torch.where(mask, near.sum(dim=2) + priority, -1.0)
        return in_order(dense, degrees.argsort(dim=1, descending=True))
    return in_order(dense, search_order(near, mask, priority, breadth_first=order == "bfs"))


def search_order(near: Tensor, mask: Tensor, priority: Tensor, *, breadth_first: bool) -> Tensor:
    """The nodes in the order of a search, (B, N) int64, by breadth or by the most neighbours that came before; each
    component in turn, places without a node last.

    `near` (B, N, N) bool, `mask` (B, N) bool; `priority` (B, N), from 0 to below 1: who comes first among equals.
    """
    count, steps = mask.shape
    done, merit, order = torch.zeros_like(mask), torch.zeros_like(priority), []
    for step in range(steps):
        waiting = torch.where(mask, merit + priority, -1.0)
        chosen = torch.where(done, -2.0, waiting).argmax(dim=1, keepdim=True)
        order.append(chosen)
        done = done.scatter(1, chosen, True)
        found = near.gather(1, chosen[:, :, None].expand(count, 1, steps)).squeeze(1)
        first = found & (merit == 0)  # who is found first stays ahead of who is found later
        merit = torch.where(first, float(2 * steps - step), merit) if breadth_first else merit + found
    return torch.cat(order, dim=1)


def in_order(dense: DenseGraphs, order: Tensor) -> DenseGraphs:
    """`order` (B, N) int64: which node comes at each place."""
    nodes = dense.nodes.gather(1, order[:, :, None].expand_as(dense.nodes))
    rows = dense.bonds.gather(1, order[:, :, None].expand_as(dense.bonds))
    return DenseGraphs(nodes, rows.gather(2, order[:, None, :].expand_as(rows)), dense.sizes)
