"""Flat graphs: gathering, order of edges, what is refused, conversion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dlbench.data.graphs import BadGraph, GraphSet, check_splits, single_graph, to_pyg

SIZES = (3, 1, 4)  # the one in the middle is a single node
EDGES = (((0, 1), (1, 0), (2, 1), (1, 2)), (), ((3, 0), (0, 3)))  # nodes 1 and 2 of the last are isolated


def flat(**changes: Any) -> dict[str, Any]:
    ends = np.array([edge for graph in EDGES for edge in graph]).T
    parts = {
        "node_counts": np.array(SIZES), "nodes": np.arange(16, dtype=np.float32).reshape(8, 2),
        "edge_counts": np.array([len(graph) for graph in EDGES]), "edges": ends,
        "edge_features": np.arange(6, dtype=np.float32)[:, None],
    }  # fmt: skip
    return {**parts, **changes}


def test_a_batch_is_the_chosen_graphs_side_by_side() -> None:
    found = GraphSet(**flat()).gather(torch.tensor([2, 0, 1]))
    graphs = found.graphs
    assert graphs.num_graphs == 3
    assert graphs.graph_ids.tolist() == [0, 0, 0, 0, 1, 1, 1, 2]
    assert found.nodes.tolist() == [4, 5, 6, 7, 0, 1, 2, 3]
    assert graphs.nodes[:, 0].tolist() == [8, 10, 12, 14, 0, 2, 4, 6]
    pairs = {tuple(edge) for edge in graphs.edges.T.tolist()}
    assert pairs == {(3, 0), (0, 3), (4, 5), (5, 4), (6, 5), (5, 6)}
    assert graphs.edges.dtype == torch.int64


def test_edges_are_sorted_by_target_and_keep_what_belongs_to_them() -> None:
    graphs = GraphSet(**flat())
    batch = graphs.gather(torch.arange(3)).graphs
    assert (batch.edges[1].diff() >= 0).all()
    assert graphs.edge_order.tolist() == [1, 0, 2, 3, 4, 5]
    assert batch.edge_features is not None
    assert batch.edge_features.flatten().tolist() == graphs.edge_order.tolist()


def test_a_batch_that_is_told_its_sizes_is_the_same() -> None:
    graphs, index = GraphSet(**flat()), torch.tensor([2, 0, 1])
    nodes, edges = (int(sizes[index].sum()) for sizes in graphs.sizes_of(torch.arange(3)))
    assert (nodes, edges) == (8, 6)
    asked, told = graphs.gather(index), graphs.gather(index, nodes, edges)
    for a, b in zip((asked.nodes, asked.edges, *asked.graphs), (told.nodes, told.edges, *told.graphs), strict=True):
        assert torch.equal(a, b) if isinstance(a, Tensor) else a == b


def test_a_batch_says_what_is_known_of_its_edges() -> None:
    plain = GraphSet(**flat()).gather(torch.arange(3)).graphs
    assert (plain.by_target, plain.loopless) == (True, True)
    ends = flat()["edges"]
    ends[:, 5] = 0
    looped = GraphSet(**flat(edges=ends)).gather(torch.arange(3)).graphs
    assert (looped.by_target, looped.loopless) == (True, False)
    for loop, loopless in ((1, True), (0, False)):
        graph = single_graph(torch.ones(3, 1), torch.tensor([[2, 0], [0, loop]]))
        assert (graph.by_target, graph.loopless) == (True, loopless)


def test_a_batch_equals_pygs() -> None:
    from torch_geometric.data import Batch, Data

    parts, graphs = flat(), GraphSet(**flat())
    singles, first_edge, first_node = [], 0, 0
    for size, edges in zip(SIZES, EDGES, strict=True):
        ends = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T
        order = (ends[1] * size + ends[0]).argsort(stable=True)
        features = torch.from_numpy(parts["edge_features"][first_edge : first_edge + len(edges)])
        singles.append(Data(x=torch.from_numpy(parts["nodes"][first_node : first_node + size]),
                            edge_index=ends[:, order], edge_attr=features[order]))  # fmt: skip
        first_edge, first_node = first_edge + len(edges), first_node + size
    theirs, mine = (
        Batch.from_data_list([singles[i] for i in (2, 0, 1)]),
        to_pyg(graphs.gather(torch.tensor([2, 0, 1])).graphs),
    )
    for key in ("x", "edge_index", "edge_attr", "batch"):
        assert torch.equal(theirs[key], mine[key]), key


def test_conversion_shares_memory() -> None:
    batch = GraphSet(**flat()).gather(torch.arange(3)).graphs
    assert to_pyg(batch).edge_index.data_ptr() == batch.edges.data_ptr()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"edges": np.array([[0, 1, 2, 1, 3, 0], [1, 0, 1, 2, 0, 4]])}, r"graph 2 has an edge to node 4, .* 0 to 3"),
        ({"edges": np.array([[0, -1, 2, 1, 3, 0], [1, 0, 1, 2, 0, 3]])}, r"graph 0 has an edge to node -1"),
        ({"edges": np.zeros((6, 2), int)}, r"edges are whole numbers of the shape \(2, E\), not int64 \(6, 2\)"),
        ({"edges": np.zeros((2, 6))}, r"edges are whole numbers"),
        ({"nodes": np.zeros(8)}, r"nodes have the shape \(N, F\)"),
        ({"edge_features": np.zeros((9, 1))}, r"a row for each of 6 edges"),
        ({"nodes": np.full((8, 2), np.nan)}, r"a feature of node 0 isn't finite"),
        ({"edge_features": np.array([[0], [0], [np.inf], [0], [0], [0]])}, r"a feature of edge 2 isn't finite"),
        ({"node_counts": np.array([4, 0, 4])}, r"graph 1 has no nodes"),
        ({"node_counts": np.array([3, 1, 5])}, r"add up to 9 nodes and 6 edges, but there are 8 and 6"),
        ({"node_counts": np.array([4, 4])}, r"2 node counts but 3 edge counts"),
        ({"node_counts": np.zeros(0, int), "edge_counts": np.zeros(0, int)}, r"there are no graphs"),
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_graph_is_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadGraph, match=said):
        GraphSet(**flat(**changes))


@pytest.mark.parametrize("sparse", [False, True])
def test_one_graph_keeps_its_features_layout_and_sorts_its_edges(sparse: bool) -> None:
    nodes: Tensor = torch.eye(3)
    graph = single_graph(nodes.to_sparse_csr() if sparse else nodes, torch.tensor([[0, 1, 2, 1], [1, 2, 1, 0]]))
    assert graph.edges.tolist() == [[1, 0, 2, 1], [0, 1, 1, 2]]
    assert (graph.nodes.layout == torch.sparse_csr) is sparse
    nodes[1, 1] = torch.nan
    with pytest.raises(BadGraph, match=r"a feature of node 1 isn't finite"):
        single_graph(nodes.to_sparse_csr() if sparse else nodes, torch.zeros(2, 0, dtype=torch.int64))
    nodes[1, 1] = 1
    with pytest.raises(BadGraph, match=r"edge to node 3"):
        single_graph(nodes, torch.tensor([[0], [3]]))


def test_splits_may_neither_overlap_nor_leave_the_set() -> None:
    one, two = torch.tensor([0, 1, 2]), torch.tensor([2, 3])
    with pytest.raises(BadGraph, match=r"2 is in the splits train and val"):
        check_splits({"train": one, "val": two, "test": torch.tensor([4])}, 5)
    with pytest.raises(BadGraph, match=r"2 is in the splits train and test"):
        check_splits({"train": one, "val": torch.tensor([4]), "test": one[2:]}, 5, alias=("val", "test"))
    with pytest.raises(BadGraph, match=r"3 is in the splits val and test"):
        check_splits({"train": torch.tensor([0]), "val": two[1:], "test": two[1:]}, 5)
    with pytest.raises(BadGraph, match=r"the split train holds an item twice"):
        check_splits({"train": torch.tensor([0, 0]), "val": two, "test": one[:0]}, 5)
    with pytest.raises(BadGraph, match=r"there is no split test"):
        check_splits({"train": torch.tensor([0]), "val": two}, 5)
    with pytest.raises(BadGraph, match=r"the split val holds 3, but there are only 0 to 2"):
        check_splits({"train": torch.tensor([0]), "val": two, "test": one[:0]}, 3)
    check_splits({"train": torch.tensor([0, 1]), "val": two, "test": two}, 4, alias=("val", "test"))


def test_a_single_graph_holds_float32_whatever_it_is_given() -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    for nodes in (
        torch.eye(2, dtype=torch.float64),
        torch.eye(2, dtype=torch.float64).to_sparse_csr(),
        torch.eye(2).long(),
    ):
        graph = single_graph(nodes, edges, torch.ones(2, 1, dtype=torch.float64))
        assert graph.nodes.dtype == graph.edge_features.dtype == torch.float32
