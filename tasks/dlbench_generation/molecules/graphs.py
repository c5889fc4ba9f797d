"""Molecules as graphs: nodes are atoms without hydrogen, edges are bonds.

A node is one-hot over the kinds of atoms of the set (element and charge), an edge over single, double and triple bonds;
aromatic rings have alternating single and double bonds. Nodes stand in the order in which SMILES names them.

What a model draws is read so: a node or an edge is of the kind whose column is largest. A graph is no molecule where a
row has no column above 0 or one that isn't finite, where an edge leads from an atom to itself or to another graph,
where the edges between two atoms are of different kinds, or where it has no nodes. One direction of an edge is enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlbench import Batch, Graph, GraphBatch, Sample, Signature
from dlbench.data.batches import GatheredBatches
from dlbench.data.graphs import GraphSet

from .chemistry import ORDERS, Atom, Bond, assembled
from .library import graphs, library
from .task import Molecules


class MoleculeGraphs(Molecules):
    """`splits`: SMILES strings of train, val and test."""

    def __init__(
        self, splits: Mapping[str, Sequence[str]], *, cache: Path, scaffolds: bool = False, device: str = "cpu"
    ) -> None:
        super().__init__(library(splits, scaffolds=scaffolds, cache=cache))
        self.kinds, arrays = graphs(splits, cache)
        self.graphs = GraphSet(
            node_counts=arrays["node_counts"], nodes=_one_hot(arrays["atoms"], len(self.kinds)),
            edge_counts=arrays["edge_counts"], edges=arrays["edges"],
            edge_features=_one_hot(arrays["orders"] - 1, len(ORDERS)), device=device,
        )  # fmt: skip
        self.splits, first = {}, 0
        for split in ("train", "val", "test"):
            self.splits[split] = torch.arange(first, first + len(splits[split]), device=device)
            first += len(splits[split])
        largest = int(arrays["node_counts"].max())
        kind = Graph(node_features=len(self.kinds), edge_features=len(ORDERS), nodes_max=largest)
        self.signature = Signature(input=kind, output=Sample())

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        chosen = self.splits[split]

        def gather(index: Tensor, nodes: int, edges: int) -> Batch:
            return Batch(inputs=self.graphs.gather(chosen[index], nodes, edges).graphs, size=len(index))

        return GatheredBatches(
            len(chosen), batch_size, generator, gather, str(chosen.device), self.graphs.sizes_of(chosen)
        )

    def read(self, examples: Any) -> list[Any]:
        return [None if graph is None else assembled(*graph) for graph in read_graphs(examples, self.kinds)]


def read_graphs(examples: Any, kinds: Sequence[Atom]) -> list[tuple[list[Atom], list[Bond]] | None]:
    """Atoms and bonds of each graph of a GraphBatch, None where they can't be read. Raises ValueError for what isn't a
    batch of graphs with these kinds of atoms and three kinds of bonds."""
    if not isinstance(examples, GraphBatch):
        raise ValueError(f"sample returned {type(examples).__name__}, not a GraphBatch")
    nodes, ids = examples.nodes.cpu().numpy(), examples.graph_ids.cpu().numpy()
    ends = examples.edges.cpu().numpy()
    bonds = np.zeros((0, len(ORDERS))) if examples.edge_features is None else examples.edge_features.cpu().numpy()
    count = examples.num_graphs
    _check_shapes(nodes, ids, ends, bonds, (len(kinds), count))
    kind, known = _largest(nodes)
    order, sure = _largest(bonds)
    broken = np.zeros(count, dtype=bool)
    broken[ids[~known]] = True
    astray = ~sure | (ends[0] == ends[1]) | (ids[ends[0]] != ids[ends[1]])
    broken[ids[ends[:, astray]]] = True
    members = [np.flatnonzero(ids == graph) for graph in range(count)] if (np.diff(ids) < 0).any() else np.split(
        np.arange(len(ids)), np.searchsorted(ids, np.arange(1, count))
    )  # fmt: skip
    place = np.zeros(len(ids), dtype=np.int64)  # of each node within its graph
    for rows in members:
        place[rows] = np.arange(len(rows))
    pairs: list[dict[tuple[int, int], int]] = [{} for _ in range(count)]
    for source, target, graph, found in zip(*place[ends].tolist(), ids[ends[0]].tolist(), order.tolist(), strict=True):
        pair = (min(source, target), max(source, target))
        if pairs[graph].setdefault(pair, found) != found:
            broken[graph] = True
    return [
        None if lost else ([kinds[i] for i in kind[rows].tolist()], [(*pair, 1 + o) for pair, o in edges.items()])
        for lost, rows, edges in zip(broken.tolist(), members, pairs, strict=True)
    ]


def _check_shapes(
    nodes: NDArray[Any], ids: NDArray[Any], ends: NDArray[Any], bonds: NDArray[Any], sizes: tuple[int, int]
) -> None:
    """`sizes`: how many kinds of atoms there are, and how many graphs."""
    kinds, count = sizes
    if nodes.ndim != 2 or nodes.shape[1] != kinds or ids.shape != nodes.shape[:1]:
        raise ValueError(f"sample returned nodes {nodes.shape} of graphs {ids.shape}, not (N, {kinds}) and (N,)")
    if ends.ndim != 2 or len(ends) != 2 or bonds.shape != (ends.shape[1], len(ORDERS)):
        raise ValueError(
            f"sample returned edges {ends.shape} of kinds {bonds.shape}, not (2, E) and (E, {len(ORDERS)})"
        )
    for what, numbers, limit in (("a node of graph", ids, count), ("an edge to node", ends, len(nodes))):
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < limit:
            raise ValueError(f"sample returned {what} {numbers.max()}, but there are {limit}")


def _largest(rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The largest column of each row, and whether the row says anything."""
    finite = np.isfinite(rows).all(axis=1)
    rows = np.where(finite[:, None], rows, 0.0)
    return rows.argmax(axis=1), finite & (rows.max(axis=1, initial=0.0) > 0)


def _one_hot(kinds: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    return np.asarray(np.eye(count, dtype=np.float32)[kinds])
