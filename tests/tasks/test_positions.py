"""dlbench_graph.positions: what Laplacian positional encodings must be, on graphs of every awkward kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dlbench import Graph, GraphClasses, Signature
from dlbench.data.graphs import BadGraph, GraphSet
from dlbench.errors import UsageError
from dlbench_graph import positions
from dlbench_graph.many import ManyGraphs
from dlbench_graph.positions import add_positions, laplacian_positions
from dlbench_graph.scores import accuracy

Flat = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def both_ways(pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return np.concatenate([ends, ends[::-1]], axis=1)


def flat(graphs: list[tuple[int, NDArray[np.int64]]]) -> Flat:
    return (
        np.array([count for count, _ in graphs]),
        np.array([edges.shape[1] for _, edges in graphs]),
        np.concatenate([edges for _, edges in graphs], axis=1),
    )


def random_graph(count: int, seed: int) -> tuple[int, NDArray[np.int64]]:
    random = np.random.RandomState(seed)
    linked = np.triu(random.random_sample((count, count)) < 0.3, k=1)
    return count, np.stack(np.nonzero(linked | linked.T))


def laplacian(count: int, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Written anew: I - D^-1/2 A D^-1/2."""
    adjacency = np.zeros((count, count))
    for source, target in edges.T:
        adjacency[source, target] = adjacency[target, source] = 1
    scale = np.diag(1 / np.sqrt(np.maximum(adjacency.sum(axis=0), 1)))
    return np.eye(count) - scale @ adjacency @ scale


def parts(graphs: list[tuple[int, NDArray[np.int64]]], k: int) -> list[NDArray[np.float64]]:
    found = laplacian_positions(*flat(graphs), k).astype(np.float64)
    return np.split(found, np.cumsum([count for count, _ in graphs])[:-1])


@pytest.mark.parametrize("size", [9, positions.WHOLE + 12])  # both ways of computing
def test_they_are_the_first_orthonormal_eigenvectors_but_one(size: int) -> None:
    graphs = [random_graph(size, seed) for seed in range(3)] + [random_graph(size + 1, 3)]
    k = 6
    for (count, edges), columns in zip(graphs, parts(graphs, k), strict=True):
        matrix = laplacian(count, edges)
        assert np.abs(columns.T @ columns - np.eye(k)).max() < 1e-5
        values = np.einsum("nk,nk->k", columns, matrix @ columns)
        assert np.abs(matrix @ columns - columns * values).max() < 1e-5
        assert np.abs(values - np.linalg.eigvalsh(matrix)[1 : k + 1]).max() < 1e-5


def test_a_path_of_three_in_closed_form() -> None:
    (columns,) = parts([(3, both_ways([(0, 1), (1, 2)]))], 2)
    half, root = 0.5, 0.5**0.5
    assert (
        np.abs(columns - [[root, half], [0, -root], [-root, half]]).max() < 1e-6
        or np.abs(columns - [[root, -half], [0, root], [-root, -half]]).max() < 1e-6
    )
    assert columns[0, 0] == pytest.approx(root)  # of two equally large entries the first is positive


def test_signs_come_out_the_same_whatever_stands_beside_a_graph() -> None:
    graph = random_graph(11, 5)
    alone = parts([graph], 5)[0]
    among = parts([random_graph(11, 6), graph, random_graph(4, 7)], 5)[1]
    assert np.array_equal(alone, among)
    largest = np.abs(alone).argmax(axis=0)
    assert (alone[largest, np.arange(5)] > 0).all()


def test_graphs_with_too_few_nodes_are_padded_with_zeros() -> None:
    one, two, empty = (1, both_ways([])), (2, both_ways([(0, 1)])), (3, both_ways([]))
    found = parts([one, two, empty, random_graph(7, 0)], 4)
    assert np.array_equal(found[0], np.zeros((1, 4)))
    assert np.abs(np.abs(found[1]) - [[0.5**0.5, 0, 0, 0]] * 2).max() < 1e-6
    assert np.abs(found[2].T @ found[2] - np.diag([1, 1, 0, 0])).max() < 1e-6
    assert np.abs(found[3].T @ found[3] - np.eye(4)).max() < 1e-5


def test_a_disconnected_graph_with_an_isolated_node() -> None:
    count, edges = 6, both_ways([(0, 1), (1, 2), (0, 2), (3, 4)])
    (columns,) = parts([(count, edges)], 5)
    matrix = laplacian(count, edges)
    values = np.einsum("nk,nk->k", columns, matrix @ columns)
    assert np.isfinite(columns).all()
    assert np.abs(matrix @ columns - columns * values).max() < 1e-5
    # two parts give two zeros, of which the first is left out; the isolated node has 1, the triangle 1.5 twice
    assert values == pytest.approx([0, 1, 1.5, 1.5, 2], abs=1e-6)


def test_an_edge_counts_once_and_both_ways() -> None:
    ring = both_ways([(0, 1), (1, 2), (2, 3), (3, 4), (0, 2)])
    once = ring[:, : ring.shape[1] // 2]
    twice = np.concatenate([ring, ring], axis=1)
    expected, directed, repeated = (parts([(5, edges)], 3)[0] for edges in (ring, once, twice))
    assert np.array_equal(expected, directed)
    assert np.array_equal(expected, repeated)


def test_columns_are_appended_and_zero_adds_none() -> None:
    counts = flat([random_graph(5, 0), random_graph(8, 1)])
    nodes = np.arange(26, dtype=np.float32).reshape(13, 2)
    assert add_positions(nodes, *counts, 0) is nodes
    widened = add_positions(nodes, *counts, 3)
    assert widened.shape == (13, 5)
    assert widened.dtype == np.float32
    assert np.array_equal(widened[:, :2], nodes)
    assert np.array_equal(widened[:, 2:], laplacian_positions(*counts, 3))


@pytest.mark.parametrize("k", [-1, 1.5, True, "8"])
def test_a_wrong_number_is_refused(k: Any) -> None:
    with pytest.raises(UsageError, match="pe"):
        add_positions(np.ones((3, 1)), *flat([(3, both_ways([(0, 1)]))]), k)


def test_an_edge_to_a_missing_node_is_refused() -> None:
    with pytest.raises(BadGraph, match="graph 0 has an edge to node 3"):
        add_positions(np.ones((3, 1)), *flat([(3, both_ways([(0, 3)]))]), 2)


def test_what_was_slow_is_kept_and_a_broken_file_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, nodes = flat([random_graph(8, 1)]), np.ones((8, 1), dtype=np.float32)
    expected = add_positions(nodes, *counts, 3, tmp_path)
    assert list(tmp_path.rglob("*")) == []  # it was quick
    monkeypatch.setattr(positions, "SLOW_S", -1.0)
    assert np.array_equal(add_positions(nodes, *counts, 3, tmp_path), expected)
    (kept,) = tmp_path.rglob("*.npz")
    with monkeypatch.context() as patch:
        patch.setattr(positions, "laplacian_positions", lambda *_: pytest.fail("computed again"))
        assert np.array_equal(add_positions(nodes, *counts, 3, tmp_path), expected)
    kept.write_bytes(b"broken")
    assert np.array_equal(add_positions(nodes, *counts, 3, tmp_path), expected)
    assert kept.read_bytes() != b"broken"
    add_positions(nodes, *counts, 2, tmp_path)
    add_positions(nodes, *flat([random_graph(8, 2)]), 3, tmp_path)
    assert len(list(tmp_path.rglob("*.npz"))) == 3  # another k and another graph have files of their own


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "SLOW_S", -1.0)
    blocked = tmp_path / "file"
    blocked.write_text("")
    counts, nodes = flat([random_graph(8, 1)]), np.ones((8, 1), dtype=np.float32)
    assert add_positions(nodes, *counts, 3, blocked).shape == (8, 4)


def task_with_positions() -> ManyGraphs:
    graphs = [random_graph(7, seed) for seed in range(12)]
    counts = flat(graphs)
    nodes = add_positions(np.ones((84, 1), dtype=np.float32), *counts, 3)
    return ManyGraphs(
        graphs=GraphSet(node_counts=counts[0], nodes=nodes, edge_counts=counts[1], edges=counts[2]),
        targets=torch.arange(12) % 2,
        level="graph",
        signature=Signature(input=Graph(node_features=4, positions=3), output=GraphClasses(num_classes=2)),
        splits={"train": torch.arange(6), "val": torch.arange(6, 9), "test": torch.arange(9, 12)},
        metric="accuracy",
        score=accuracy,
        loss_of=torch.nn.functional.cross_entropy,
    )


def test_signs_flip_in_training_alone_and_whole_columns_at_once() -> None:
    task = task_with_positions()
    for split in ("train", "val", "test"):
        (batch,) = task.batches(split, 99, None)
        start = {"train": 0, "val": 42, "test": 63}[split]
        assert torch.equal(batch.inputs.nodes, task.graphs.nodes[start : start + len(batch.inputs.nodes)])
    generator, seen = torch.Generator().manual_seed(0), set()
    for _ in range(40):
        (batch,) = task.batches("train", 99, generator)
        order = [int((task.graphs.nodes[:42].view(6, 7, 4)[:, :, 1:].abs() == g.abs()).all((1, 2)).nonzero())
                 for g in batch.inputs.nodes.view(6, 7, 4)[:, :, 1:]]  # fmt: skip
        still = task.graphs.nodes[:42].view(6, 7, 4)[order].reshape(42, 4)
        assert torch.equal(batch.inputs.nodes[:, 0], still[:, 0])
        flips = torch.stack([torch.sign((batch.inputs.nodes[:, c] * still[:, c]).sum()) for c in (1, 2, 3)])
        assert torch.equal(batch.inputs.nodes[:, 1:], still[:, 1:] * flips)
        seen.add(tuple(flips.tolist()))
    assert len(seen) == 8  # every column by itself
