"""From batches and structures to DGL's graphs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlbench_gnn.structure import Structure

from .compat import load_dgl

dgl = load_dgl()


def to_dgl(graphs: Any) -> Any:
    """A `dgl.DGLGraph` on the tensors of a `dlbench.GraphBatch`: ndata["x"], edata["e"] where there are edge features,
    and the sizes of its graphs, by which `dgl.unbatch` and DGL's readouts tell them apart.

    Nothing is copied. Raises ValueError unless the edges of each graph stand together, as in a gathered batch.
    """
    owner = graphs.graph_ids[graphs.edges[1]]
    if bool((owner[1:] < owner[:-1]).any()):
        raise ValueError("DGL wants the edges of each graph together, those of the first graph first")
    graph = dgl_graph(graphs.edges, graphs.nodes.shape[0])
    graph.set_batch_num_nodes(torch.bincount(graphs.graph_ids, minlength=graphs.num_graphs))
    graph.set_batch_num_edges(torch.bincount(owner, minlength=graphs.num_graphs))
    graph.ndata["x"] = graphs.nodes
    if graphs.edge_features is not None:
        graph.edata["e"] = graphs.edge_features
    return graph


def graph_of(structure: Structure, loops: bool = False) -> Any:
    """The structure's edges, `loops`: with a self-loop at each node, as a DGL graph that is made once."""
    edges = structure.looped_edges() if loops else structure.edges
    return structure.kept(("dgl", loops), lambda: dgl_graph(edges, structure.num_nodes))


def shuffled(structure: Structure) -> Any:
    """The structure's edges in a random order, as a DGL graph."""
    order = torch.randperm(structure.edges.shape[1], device=structure.edges.device)
    return dgl_graph(structure.edges[:, order], structure.num_nodes)


def dgl_graph(edges: Tensor, num_nodes: int) -> Any:
    """Edges (2, E), source then target, as a DGL graph that keeps their order."""
    return dgl.graph((edges[0], edges[1]), num_nodes=num_nodes)
