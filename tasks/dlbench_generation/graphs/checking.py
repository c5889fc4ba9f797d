"""What a model drew, as squares of booleans: what isn't a batch is refused, what is no simple graph counts out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlbench import GraphBatch

from .statistics import Stack


def checked(drawn: Any, *, node_features: int, nodes_max: int) -> tuple[Stack, int]:
    """The simple graphs among those drawn, and how many others there are: empty ones, ones with more than `nodes_max`
    nodes, with an edge from a node to itself, twice the same edge or one direction of it only, or with features that
    aren't finite.

    Raises ValueError, with a sentence, for what is no `GraphBatch` or contradicts itself.
    """
    if not isinstance(drawn, GraphBatch):
        raise ValueError(f"sample returned {type(drawn).__name__} where a GraphBatch is asked for")
    nodes, edges, ids = (value.detach().cpu().numpy() for value in (drawn.nodes, drawn.edges, drawn.graph_ids))
    _check(nodes, edges, ids, drawn.num_graphs, node_features)
    edges, ids = edges.astype(np.int64), ids.astype(np.int64)
    sizes = np.bincount(ids, minlength=drawn.num_graphs)
    good = (sizes > 0) & (sizes <= nodes_max)
    good[ids[~np.isfinite(nodes).all(axis=1)]] = False
    kept = good[ids[edges[0]]]
    graph = ids[edges[0]][kept]
    starts = sizes.cumsum() - sizes
    source, target = edges[:, kept] - starts[graph]
    cells = (graph * nodes_max + source) * nodes_max + target
    counts = np.bincount(cells, minlength=drawn.num_graphs * nodes_max**2)
    counts = counts.reshape(drawn.num_graphs, nodes_max, nodes_max)
    good &= (counts == counts.transpose(0, 2, 1)).all(axis=(1, 2)) & (counts <= 1).all(axis=(1, 2))
    good &= ~counts.diagonal(axis1=1, axis2=2).any(axis=1)
    return Stack(counts[good] > 0, sizes[good].astype(np.int64)), int((~good).sum())


def _check(nodes: NDArray[Any], edges: NDArray[Any], ids: NDArray[Any], num_graphs: int, node_features: int) -> None:
    """Raise ValueError unless these fit each other."""
    if nodes.ndim != 2 or nodes.shape[1] != node_features:
        raise ValueError(f"sample returned nodes of the shape {nodes.shape} instead of (N, {node_features})")
    if ids.shape != (len(nodes),) or ids.dtype.kind not in "iu":
        raise ValueError(f"sample returned graph_ids {ids.dtype} {ids.shape} instead of whole numbers ({len(nodes)},)")
    if len(ids) and ((np.diff(ids) < 0).any() or ids[0] < 0 or ids[-1] >= num_graphs):
        raise ValueError(f"sample returned graph_ids that don't ascend from 0 to below {num_graphs}")
    if edges.ndim != 2 or len(edges) != 2 or (edges.size and edges.dtype.kind not in "iu"):
        raise ValueError(f"sample returned edges {edges.dtype} {edges.shape} instead of whole numbers (2, E)")
    if edges.size and (edges.min() < 0 or edges.max() >= len(nodes)):
        raise ValueError(f"sample returned an edge to node {int(edges.max())}, but there are {len(nodes)} nodes")
    if edges.size and (ids[edges[0]] != ids[edges[1]]).any():
        raise ValueError("sample returned an edge from one graph to another")
