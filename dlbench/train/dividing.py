"""Parts of a batch, one for each of several devices: examples stay whole, and so do graphs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..contract.guard import tensors_in
from ..contract.kinds import (
    EdgeClasses,
    Graph,
    Hypergraph,
    InputKind,
    KnowledgeGraph,
    NodeClasses,
    NodeValue,
    Objective,
    OutputKind,
    Signature,
    TokenTags,
)  # fmt: skip
from ..contract.learner import Batch, Task
from ..contract.syntax import BY_SENTENCE, SyntaxBatch
from ..contract.values import DynamicGraphBatch, GraphBatch, ImageBatch, SeriesBatch, TokenBatch, batch_size_of
from ..errors import NotApplicable

ROUNDING = 1e-4
Rows = slice | Tensor
"""Which rows of a tensor: a range, or a bool mask."""


@dataclass(frozen=True)
class Part:
    """`weight`: the part's share of what counts in the batch, a number or a scalar on the device. `idle`: there was no
    example left for it; it holds one of another part, so that all take the same steps, with a weight of 0. `rows`:
    which rows of the batch's targets it has."""

    batch: Batch
    weight: Tensor | float
    idle: bool
    rows: Rows


def check_divisible(signature: Signature) -> None:
    """Raises NotApplicable where no batch has parts."""
    if reason := why_whole(type(signature.input), type(signature.output)):
        raise NotApplicable(reason)
    if isinstance(signature.input, Graph) and signature.input.single:
        raise NotApplicable("is one graph, which isn't divided between devices")


def why_whole(given: type[InputKind], asked: type[OutputKind]) -> str | None:
    """Why batches of such kinds have no parts, as the end of a sentence; None where they may have."""
    if issubclass(given, (Hypergraph, KnowledgeGraph)):
        return f"a {given.label().replace('_', ' ')} isn't divided between devices"
    if issubclass(asked, Objective):
        return "a function to be minimized isn't divided between devices"
    return None


def part_of(batch: Batch, output: OutputKind, rank: int, size: int) -> Part:
    """The part of a batch for the device `rank` of `size`: neighbouring examples, as many as for the others or one
    more or less. Raises NotApplicable for what can't be divided."""
    count = batch_size_of(batch.inputs)
    first, last = count * rank // size, count * (rank + 1) // size
    if idle := first == last:
        first, last = 0, 1
    rows = slice(first, last)
    inputs, at = _cut(batch.inputs, rows, output)
    targets = None if batch.targets is None else batch.targets[at]
    mask = None if batch.mask is None else batch.mask[at]
    index = None if batch.index is None or len(batch.index) != count else batch.index[rows]
    part = Batch(inputs, targets, mask, round(batch.size * (last - first) / count), batch.continues, index)
    return Part(part, 0.0 if idle else _share(part, batch), idle, at)


def check_loss(task: Task, batch: Batch, size: int) -> None:
    """Raises NotApplicable where the loss of a batch isn't the mean of its parts' losses by their weights, as one with
    weights that it takes from the batch's classes isn't. Tried on random outputs, where their shape is known."""
    output = task.signature.output
    if (shape := output.shape(batch.inputs)) is None:
        return
    drawn = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    outputs = drawn.to(tensors_in(batch)[0].device)
    parts = [part for part in (part_of(batch, output, rank, size) for rank in range(size)) if not part.idle]
    whole = float(task.loss(outputs, batch))
    losses = [task.loss(outputs[part.rows], part.batch) * part.weight for part in parts]
    summed = float(torch.stack([loss.nan_to_num() for loss in losses]).sum())
    if not math.isclose(whole, summed, rel_tol=ROUNDING, abs_tol=ROUNDING):
        raise NotApplicable(
            f"has a loss of {whole:.6g} on a batch of which its parts, weighted by what counts in them, give "
            f"{summed:.6g}: it isn't a mean that {size} devices could share"
        )


def _share(part: Batch, whole: Batch) -> Tensor | float:
    if part.mask is not None and whole.mask is not None:
        return part.mask.sum() / whole.mask.sum()
    if part.targets is not None and whole.targets is not None:
        return len(part.targets) / len(whole.targets)
    return batch_size_of(part.inputs) / batch_size_of(whole.inputs)


def _cut(inputs: Any, rows: slice, output: OutputKind) -> tuple[Any, Rows]:
    """Some examples of a runtime value, and the rows of their targets."""
    if isinstance(inputs, Tensor):
        return inputs[rows], rows
    if isinstance(inputs, (TokenBatch, SeriesBatch, ImageBatch)):
        fields: Any = [None if field is None else field[rows] for field in inputs]
        return type(inputs)(*fields), rows
    if isinstance(inputs, (GraphBatch, DynamicGraphBatch, SyntaxBatch)):
        return _cut_graphs(inputs, rows, output)
    raise NotApplicable(f"has batches of {type(inputs).__name__}, which aren't divided between devices")


def _cut_graphs(inputs: Any, rows: slice, output: OutputKind) -> tuple[Any, Rows]:
    ends = torch.tensor([rows.start, rows.stop], device=inputs.graph_ids.device)
    first, last = torch.searchsorted(inputs.graph_ids, ends).tolist()
    nodes = slice(first, last)
    edges = (inputs.edges[0] >= first) & (inputs.edges[0] < last)
    changed: dict[str, Any] = {
        "edges": inputs.edges[:, edges] - first, "graph_ids": inputs.graph_ids[nodes] - rows.start,
    }  # fmt: skip
    if isinstance(inputs, SyntaxBatch):
        changed |= {name: value[rows] for name in BY_SENTENCE if (value := getattr(inputs, name)) is not None}
        changed |= {"places": inputs.places[nodes] - rows.start * inputs.ids.shape[1]}
        changed |= {"relations": inputs.relations[edges]}
    else:
        changed |= {"nodes": _node_rows(inputs.nodes, nodes), "num_graphs": rows.stop - rows.start}
    if isinstance(inputs, GraphBatch) and inputs.edge_features is not None:
        changed["edge_features"] = inputs.edge_features[edges]
    if isinstance(inputs, DynamicGraphBatch):
        changed |= {"times": inputs.times[edges], "step_sizes": None}
    at: Rows = rows
    if isinstance(output, (NodeClasses, NodeValue)) and not isinstance(output, TokenTags):
        at = nodes
    elif isinstance(output, EdgeClasses):
        at = edges
    return inputs._replace(**changed), at


def _node_rows(nodes: Tensor, rows: slice) -> Tensor:
    if nodes.layout is not torch.sparse_csr:
        return nodes[rows]
    starts = nodes.crow_indices()[rows.start : rows.stop + 1]
    held = slice(*starts[[0, -1]].tolist())
    shape = (rows.stop - rows.start, nodes.shape[1])
    return torch.sparse_csr_tensor(starts - held.start, nodes.col_indices()[held], nodes.values()[held], shape)
