"""Mini-batches of a large graph: some seed nodes and what lies around them.

Hamilton, Ying & Leskovec 2017, "Inductive Representation Learning on Large Graphs" (GraphSAGE). Differs from it: a node
keeps the same drawn neighbours in every layer of one batch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def neighbourhood(edges: Tensor, num_nodes: int, seeds: Tensor, hops: int) -> tuple[Tensor, Tensor]:
    """The nodes and edges that `hops` layers need to compute the seeds as in the whole graph.

    `edges` (2, E): source then target. Returns `nodes` (n,), ascending, and `edges` (2, e) numbered within them. They
    hold every edge into a node less than `hops` steps away, and also those into the nodes `hops` steps away: without
    them the outermost nodes would lose their degree, by which a GCN divides.
    """
    source, target = edges
    reached = torch.zeros(num_nodes, dtype=torch.bool, device=edges.device)
    reached[seeds] = True
    for _ in range(hops):
        reached[source[reached[target]]] = True
    kept = edges[:, reached[target]]
    reached[kept[0]] = True
    nodes = reached.nonzero().squeeze(1)
    numbers = torch.empty(num_nodes, dtype=torch.int64, device=edges.device)
    numbers[nodes] = torch.arange(len(nodes), device=edges.device)
    return nodes, numbers[kept]


def thin(edges: Tensor, num_nodes: int, fanout: int, generator: torch.Generator) -> Tensor:
    """Keep at most `fanout` of the edges into each node, drawn without replacement by a generator on the CPU."""
    keys = torch.rand(edges.shape[1], generator=generator).to(edges.device)
    order = keys.argsort()
    order = order[edges[1, order].argsort(stable=True)]  # by target, in random order within one target
    target = edges[1, order]
    counts = torch.bincount(target, minlength=num_nodes)
    starts = counts.cumsum(0) - counts
    place = torch.arange(len(target), device=edges.device) - starts[target]
    return edges[:, order[place < fanout]]


def select_rows(matrix: Tensor, rows: Tensor) -> Tensor:
    """Some rows of a dense or CSR matrix, in its layout."""
    if matrix.layout != torch.sparse_csr:
        return matrix[rows]
    starts, sizes = matrix.crow_indices()[rows], matrix.crow_indices().diff()[rows]
    ends = sizes.cumsum(0)
    places = torch.repeat_interleave(starts - ends + sizes, sizes)
    places = places + torch.arange(len(places), device=rows.device)
    pointers = torch.cat([ends.new_zeros(1), ends])
    columns, values = matrix.col_indices()[places], matrix.values()[places]
    return torch.sparse_csr_tensor(pointers, columns, values, (len(rows), matrix.shape[1]))
