"""Examples of any kind as tensors with a row for each, so that they can be joined, told apart and drawn again."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import GraphBatch, TokenBatch

HASHED_AT_ONCE = 2048  # examples
Fields = dict[str, Tensor]
"""By name, tensors whose first dimension counts examples; where they differ in size, the second is filled with 0."""


def packed(inputs: Any) -> Fields:
    """Of tensors (B, ...), a TokenBatch or a GraphBatch. Raises TypeError for anything else."""
    if isinstance(inputs, Tensor):
        return {"examples": inputs}
    if isinstance(inputs, TokenBatch):
        return _packed_tokens(inputs)
    if isinstance(inputs, GraphBatch):
        return _packed_graphs(inputs)
    raise TypeError(f"examples are tensors, tokens or graphs, not {type(inputs).__name__}")


def unpacked(fields: Fields) -> Any:
    """The runtime value again."""
    if "examples" in fields:
        return fields["examples"]
    if "ids" in fields:
        width = int(fields["lengths"].max()) if len(fields["lengths"]) else 0
        return TokenBatch(fields["ids"][:, :width].contiguous(), fields["lengths"])
    return _unpacked_graphs(fields)


def joined(parts: list[Fields]) -> Fields:
    """All examples, one part after the other."""
    found = {}
    for name in parts[0]:
        tensors = [part[name] for part in parts]
        sizes = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
        found[name] = torch.cat([_filled(tensor, sizes) for tensor in tensors])
    return found


def fingerprints(fields: Fields) -> Tensor:
    """A number for each example, int64 (B,): the same for equal ones, however far they are filled up, and another, but
    for chance, for others. Whole numbers, as sums of others depend on their order."""
    size = len(next(iter(fields.values())))
    parts = []
    for start in range(0, size, HASHED_AT_ONCE):
        total = torch.zeros((), dtype=torch.int64)
        for number, name in enumerate(sorted(fields)):
            values = fields[name][start : start + HASHED_AT_ONCE]
            values = values.flatten(2) if values.dim() > 2 else values.reshape(len(values), -1, 1)
            if values.is_floating_point():
                values = values.float().contiguous().view(torch.int32)
            weights = _weights(values.shape[1], values.shape[2], number, values.device)
            total = total.to(values.device) + (values.long() * weights).sum(dim=(1, 2))
        parts.append(total)
    return torch.cat(parts)


def _weights(rows: int, columns: int, number: int, device: torch.device) -> Tensor:
    """Odd whole numbers (rows, columns) without a pattern, each the same however many there are: splitmix64 (Steele,
    Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators") of its place."""
    place = torch.arange(rows, device=device)[:, None] * 1_000_003 + torch.arange(columns, device=device)
    mixed = (place * 64 + number + 1) * -7046029254386353131
    for shift, factor in ((30, -4658895280553007687), (27, -7723592293110705685)):
        mixed = (mixed ^ (mixed >> shift)) * factor
    return mixed ^ (mixed >> 31) | 1


def _filled(tensor: Tensor, sizes: list[int]) -> Tensor:
    missing = [size - have for size, have in zip(sizes, tensor.shape[1:], strict=True)]
    return F.pad(tensor, [side for size in reversed(missing) for side in (0, size)]) if any(missing) else tensor


def _packed_tokens(inputs: TokenBatch) -> Fields:
    count, width = inputs.ids.shape
    lengths = inputs.lengths
    if lengths is None:
        lengths = torch.full((count,), width, device=inputs.ids.device)
    beyond = torch.arange(width, device=inputs.ids.device) >= lengths[:, None]
    return {"ids": inputs.ids.masked_fill(beyond, 0), "lengths": lengths}


def _packed_graphs(inputs: GraphBatch) -> Fields:
    """`nodes` (G, N, F); `edges` (G, E, 2 + D): source and target, numbered within the graph, then the features."""
    count, owner = inputs.num_graphs, inputs.graph_ids
    sizes = torch.bincount(owner, minlength=count)
    starts = sizes.cumsum(0) - sizes
    of_edge = owner[inputs.edges[0]]
    rows = (inputs.edges - starts[of_edge]).T.to(torch.float32)
    if inputs.edge_features is not None:
        rows = torch.cat([rows, inputs.edge_features], dim=1)
    order = of_edge.argsort(stable=True)
    edges, num_edges = _by_graph(rows[order], of_edge[order], count)
    nodes = inputs.nodes if inputs.nodes.layout == torch.strided else inputs.nodes.to_dense()
    nodes, _ = _by_graph(nodes, owner, count)
    return {"nodes": nodes, "num_nodes": sizes, "edges": edges, "num_edges": num_edges}


def _by_graph(rows: Tensor, owner: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Rows (R, F), which ascend by owner, as (count, most, F), and how many each has."""
    sizes = torch.bincount(owner, minlength=count)
    starts = sizes.cumsum(0) - sizes
    found = rows.new_zeros(count, int(sizes.max()) if count else 0, rows.shape[1])
    found[owner, torch.arange(len(rows), device=rows.device) - starts[owner]] = rows
    return found, sizes


def _unpacked_graphs(fields: Fields) -> GraphBatch:
    nodes, edges = fields["nodes"], fields["edges"]
    are_nodes = torch.arange(nodes.shape[1], device=nodes.device) < fields["num_nodes"][:, None]
    are_edges = torch.arange(edges.shape[1], device=nodes.device) < fields["num_edges"][:, None]
    starts = fields["num_nodes"].cumsum(0) - fields["num_nodes"]
    rows = edges[are_edges]
    ends = rows[:, :2].T.long() + starts[are_edges.nonzero()[:, 0]]
    return GraphBatch(
        nodes=nodes[are_nodes], edges=ends, edge_features=rows[:, 2:].contiguous() if rows.shape[1] > 2 else None,
        graph_ids=are_nodes.nonzero()[:, 0], num_graphs=len(nodes),
    )  # fmt: skip
