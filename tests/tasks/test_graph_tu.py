"""The TU Dortmund sets: counts, features, both protocols, broken files, and the probe on embeddings."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlbench import Batch, TaskSpec
from dlbench.data import Data
from dlbench.data.graphs import BadGraph
from dlbench.data.root import default_cache
from dlbench.errors import NoData, UsageError
from dlbench.testing import check_task, report
from dlbench_graph import sets
from dlbench_graph.sets import tu
from dlbench_graph.sets.files import KNOWN_TU, tu_files
from dlbench_graph.sets.probe import linear_kernel, probe
from dlbench_graph.sets.tu_reader import one_hot, read

SPECS = {spec.name: spec for spec in sets.specs()}
TU = {"mutag": "MUTAG", "enzymes": "ENZYMES", "nci1": "NCI1", "imdb_binary": "IMDB-BINARY"}
COUNTS = {  # name: classes' counts, nodes, directed edges, node labels, node attributes, edge labels
    "mutag": ([63, 125], 3371, 7442, 7, 0, 4),
    "enzymes": ([100] * 6, 19580, 74564, 3, 18, 0),
    "nci1": ([2053, 2057], 122747, 265506, 37, 0, 0),
    "imdb_binary": ([500, 500], 19773, 193062, 0, 0, 0),
}


@cache
def opened(name: str, root: Path, **options: Any) -> Any:
    """The loaded task, shared by the tests, which don't change it."""
    return SPECS[name].open(Data(root=root, cache=default_cache()), options)


# --- the real sets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TU)
def test_counts_are_those_of_the_readme(name: str, data_root: Path) -> None:
    found = read(data_root / f"graph/tu/{TU[name]}/raw", TU[name])
    classes, nodes, edges, labels, attributes, edge_labels = COUNTS[name]
    assert np.bincount(found.classes).tolist() == classes
    assert found.node_counts.sum() == len(found.node_labels) == nodes
    assert found.edge_counts.sum() == found.edges.shape[1] == edges
    assert found.node_labels.shape[1] == labels
    assert found.node_attributes.shape[1] == attributes
    assert found.edge_labels.shape == (edges, edge_labels)
    assert found.edge_attributes.shape[1] == 0
    if labels:
        assert (found.node_labels.sum(axis=1) == 1).all()
    graph = np.repeat(np.arange(len(found.node_counts)), found.edge_counts)
    forth = np.stack([graph, *found.edges])
    back = forth[[0, 2, 1]]
    assert np.array_equal(np.unique(forth, axis=1), np.unique(back, axis=1))  # undirected, and no edge twice
    assert len(np.unique(forth, axis=1).T) == edges


def test_mutag_reads_as_its_files_say(data_root: Path) -> None:
    folder = data_root / "graph/tu/MUTAG/raw"
    lines = {what: (folder / f"MUTAG_{what}.txt").read_text().split("\n") for what in ("A", "edge_labels")}
    pairs = [tuple(int(part) for part in line.split(",")) for line in lines["A"] if line]
    bonds = {pair: int(label) for pair, label in zip(pairs, filter(None, lines["edge_labels"]), strict=True)}
    found = read(folder, "MUTAG")
    starts = np.repeat(found.node_counts.cumsum() - found.node_counts, found.edge_counts)
    for number in range(0, 7442, 331):
        source, target = (found.edges[:, number] + starts[number] + 1).tolist()
        assert found.edge_labels[number].argmax() == bonds[source, target]


@pytest.mark.parametrize("name", TU)
def test_the_task_of_a_set(name: str, data_root: Path) -> None:
    task = opened(name, data_root)
    classes, nodes, _, labels, attributes, edge_labels = COUNTS[name]
    kinds = task.signature.input
    assert task.signature.output.num_classes == len(classes)
    assert kinds.edge_features == edge_labels
    assert kinds.node_features == task.graphs.nodes.shape[1] == (labels + attributes or kinds.node_features)
    assert len(task.graphs.nodes) == nodes
    if name == "imdb_binary":  # degrees, one-hot
        assert torch.equal(task.graphs.nodes.sum(dim=1), torch.ones(nodes))
        assert kinds.node_features == len({*degrees(task).tolist()})
        assert torch.equal(task.graphs.nodes.argmax(dim=1), torch.unique(degrees(task), return_inverse=True)[1])


def degrees(task: Any) -> torch.Tensor:
    starts = task.graphs.node_counts.cumsum(0) - task.graphs.node_counts
    target = task.graphs.edges[1] + torch.repeat_interleave(starts, task.graphs.edge_counts)
    return torch.bincount(target, minlength=len(task.graphs.nodes))


def test_attributes_can_be_left_out_and_positions_added(data_root: Path) -> None:
    task = opened("enzymes", data_root)
    bare = opened("enzymes", data_root, attributes=False, pe=2)
    assert torch.equal(task.graphs.nodes[:, :3], bare.graphs.nodes[:, :3])
    assert (bare.signature.input.node_features, bare.signature.input.positions) == (5, 2)
    assert task.graphs.nodes[0, 3:6].tolist() == pytest.approx([11.0, 15.887014, 37.78])


@pytest.mark.parametrize("name", TU)
def test_nested_folds_are_disjoint_stratified_and_cover_everything(name: str, data_root: Path) -> None:
    task = opened(name, data_root)
    count = len(task.graphs)
    assert len(task.folds) == SPECS[name].num_folds({}) == 10
    tested: list[int] = []
    for fold in task.folds:
        assert sorted(torch.cat(list(fold.values())).tolist()) == list(range(count))
        assert len(fold["val"]) == len(fold["test"])
        tested += fold["test"].tolist()
        for part in fold.values():
            share = task.targets[part].bincount() / len(part)
            assert (share - task.targets.bincount() / count).abs().max() < 1 / len(part) + 1e-6
    assert sorted(tested) == list(range(count))
    assert torch.equal(task.fold(3).splits["test"], task.folds[3]["test"])


@pytest.mark.parametrize("name", TU)
def test_floor_is_the_majority_class_averaged_over_the_folds(name: str, data_root: Path) -> None:
    task = opened(name, data_root)
    scores = []
    for fold in task.folds:
        majority = Counter(task.targets[fold["train"]].tolist()).most_common(1)[0][0]
        right = int((task.targets[fold["test"]] == majority).sum())
        scores.append(Fraction(right, len(fold["test"])))
    if name == "mutag":
        assert 0.66 < SPECS[name].floor < 0.67  # 125 of 188 in folds of 18 and 19
    assert SPECS[name].floor == pytest.approx(float(sum(scores) / 10), abs=1e-12)


def test_in_the_published_protocol_val_is_test(data_root: Path) -> None:
    task = opened("mutag", data_root, protocol="published")
    nested = opened("mutag", data_root)
    for fold, other in zip(task.folds, nested.folds, strict=True):
        assert fold["val"] is fold["test"]
        assert torch.equal(fold["test"], other["test"])
        assert sorted([*fold["train"].tolist(), *fold["test"].tolist()]) == list(range(188))
    assert callable(task.combine)
    assert not hasattr(nested, "combine")
    assert SPECS["mutag"].flags_of({"protocol": "published"}) == ("optimistic",)
    assert SPECS["mutag"].flags_of({}) == ()
    assert SPECS["mutag"].num_folds({"folds": 3}) == len(opened("mutag", data_root, folds=3).folds) == 3


def test_combine_averages_the_curves_and_takes_the_best_common_point() -> None:
    def fold(*accuracies: float) -> dict[str, Any]:
        points = [{"step": 10 * i, "val": {"accuracy": a, "loss": 1 - a / 2}} for i, a in enumerate(accuracies)]
        best = {"accuracy": max(accuracies), "loss": 0.0}
        return {"metrics": {"val": best, "test": best}, "curve": points}

    task = object.__new__(tu.PublishedFolds)
    # each fold's own best is 1; together 1, 1.5, 1.5 and 1.25, of which the first of the best counts
    got = task.combine([fold(0.0, 0.5, 1.0, 0.5), fold(1.0, 1.0, 0.5, 0.75)])
    first, second = {"accuracy": 0.5, "loss": 0.75}, {"accuracy": 1.0, "loss": 0.5}
    assert got == [{"val": first, "test": first}, {"val": second, "test": second}]
    # a fold that ended stays where it was: 1.25, 1 and 1.375 together
    ended = task.combine([fold(0.25, 0.5), fold(1.0, 0.5, 0.875)])
    assert [metrics["test"]["accuracy"] for metrics in ended] == [0.5, 0.875]


@pytest.mark.parametrize(
    ("options", "word"),
    [({"protocol": "nestd"}, "nested"), ({"folds": 1}, "folds"), ({"folds": 64}, "63"), ({"folds": 2.5}, "folds")],
)
def test_wrong_options(options: dict[str, Any], word: str, data_root: Path) -> None:
    with pytest.raises(UsageError, match=word):
        opened("mutag", data_root, **options)


def test_any_set_by_its_name(data_root: Path) -> None:
    assert tu_files(member="MUTAG", pe=3) is KNOWN_TU["MUTAG"]
    assert tu_files(member="PROTEINS").files[0].path == "graph/tu/PROTEINS/raw/PROTEINS_A.txt"
    for name in ("..", "a/b", ".hidden", ""):
        with pytest.raises(UsageError, match="TU set"):
            tu_files(member=name)
    any_tu: TaskSpec = SPECS["tu:*"]
    same = replace(any_tu, name="tu:MUTAG", member="MUTAG").open(Data(root=data_root, cache=default_cache()), {})
    assert torch.equal(same.graphs.nodes, opened("mutag", data_root).graphs.nodes)
    with pytest.raises(NoData, match="PROTEINS"):
        any_tu.load(Data(root=data_root, cache=default_cache()), member="PROTEINS")


@pytest.mark.parametrize("name", [*TU, "mutag_probe"])
def test_task_conforms(name: str, data_root: Path) -> None:
    findings = check_task(SPECS[name], data_root=data_root)
    assert not [f for f in findings if not f.ok], report(findings)


# --- files written by hand ----------------------------------------------------------------------------------

SMALL = {
    "A": "1, 2\n2, 1\n1, 2\n2,2\n3, 4\n4, 3\n",  # one edge twice, one from a node to itself
    "graph_indicator": "1\n1\n2\n2\n2\n",
    "graph_labels": "7\n-1\n",
    "node_labels": "5\n9\n5\n5\n2\n",
    "edge_labels": "1\n1\n0\n1\n3\n3\n",
    "edge_attributes": "0.5\n1.5\n9.0\n9.0\n2.5\n3.5\n",
    "node_attributes": "1.0, 2\n3, 4\n5, 6\n7, 8\n9, 1e1\n",
}


def written(folder: Path, **changes: str | None) -> Path:
    for what, text in {**SMALL, **changes}.items():
        if text is not None:
            (folder / f"X_{what}.txt").write_text(text)
    return folder


def test_a_small_set_in_full(tmp_path: Path) -> None:
    found = read(written(tmp_path), "X")
    assert found.classes.tolist() == [1, 0]
    assert found.node_counts.tolist() == [2, 3]
    assert found.edge_counts.tolist() == [2, 2]
    assert found.edges.tolist() == [[0, 1, 0, 1], [1, 0, 1, 0]]
    assert found.node_labels.tolist() == [[0, 1, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert found.node_attributes.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
    assert found.edge_labels.tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]  # the first line of an edge counts
    assert found.edge_attributes[:, 0].tolist() == [0.5, 1.5, 2.5, 3.5]
    assert tu.node_features(found, attributes=False).shape == (5, 3)
    assert tu.node_features(found, attributes=True).shape == (5, 5)


def test_a_byte_order_mark_is_no_number(tmp_path: Path) -> None:
    marked = {what: f"\ufeff{text}" for what, text in SMALL.items()}
    (tmp_path / "plain").mkdir()
    found, plain = read(written(tmp_path, **marked), "X"), read(written(tmp_path / "plain"), "X")
    assert found.edges.tolist() == plain.edges.tolist()
    assert found.node_attributes.tolist() == plain.node_attributes.tolist()
    with pytest.raises(NoData, match=r"X_graph_labels\.txt, line 1: 'x'"):
        read(written(tmp_path, graph_labels="\ufeffx\n1\n"), "X")


def test_without_labels_and_attributes_degrees_stand_in(tmp_path: Path) -> None:
    found = read(written(tmp_path, node_labels=None, node_attributes=None), "X")
    assert tu.node_features(found, attributes=True).tolist() == [[0, 1], [0, 1], [0, 1], [0, 1], [1, 0]]


def test_degrees_above_the_limit_share_a_column(tmp_path: Path) -> None:
    leaves = tu.MAX_DEGREE + 40
    stars = {1: leaves, leaves + 2: leaves - 1}
    pairs = [(hub, hub + i) for hub, count in stars.items() for i in range(1, count + 1)]
    found = read(
        written(
            tmp_path,
            A="".join(f"{a},{b}\n{b},{a}\n" for a, b in pairs),
            graph_indicator="1\n" * (leaves + 1) + "2\n" * leaves,
            node_labels=None, node_attributes=None, edge_labels=None, edge_attributes=None,
        ),
        "X",
    )  # fmt: skip
    features = tu.node_features(found, attributes=True)
    assert features.shape == (2 * leaves + 1, 2)
    assert np.nonzero(features[:, 1])[0].tolist() == [0, leaves + 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"A": "1, 2\n2, x\n"}, r"X_A.txt, line 2: '2, x' isn't made of whole numbers"),
        ({"A": "1, 2\n\n2, 1.5\n"}, r"X_A.txt, line 3: '2, 1.5'"),
        ({"A": "1, 2\n2\n"}, r"X_A.txt, line 2: '2' has 1 columns"),
        ({"A": "1\n2\n"}, r"X_A.txt has 1 columns where 2"),
        ({"A": "1, 2\n\n2, 6\n"}, r"X_A.txt, line 3: '2, 6': the nodes are 1 to 5"),
        ({"A": "0, 1\n"}, r"X_A.txt, line 1: '0, 1': the nodes"),
        ({"A": "1, 2\n2, 3\n"}, r"X_A.txt, line 2: '2, 3': it joins two graphs"),
        ({"A": ""}, r"X_A.txt is empty"),
        ({"A": None}, r"X_A.txt is missing"),
        ({"graph_indicator": "1\n1\n3\n2\n2\n"}, r"X_graph_indicator.txt, line 3: '3': the graphs are 1 to 2"),
        ({"graph_indicator": "1\n2\n1\n2\n2\n"}, r"X_graph_indicator.txt, line 3: '1': .* must not fall"),
        ({"graph_labels": "1,2\n1,1\n"}, r"X_graph_labels.txt has 2 columns"),
        ({"node_labels": "1\n1\n"}, r"X_node_labels.txt has 2 lines where 5"),
        ({"edge_labels": "1\n" * 4}, r"X_edge_labels.txt has 4 lines where 6"),
        ({"node_attributes": "1\n2\nnan\n4\n5\n"}, r"X_node_attributes.txt, line 3: 'nan': it isn't finite"),
    ],
)
def test_a_broken_file_is_named_with_its_line(changes: dict[str, str | None], message: str, tmp_path: Path) -> None:
    with pytest.raises(NoData, match=message):
        read(written(tmp_path, **changes), "X")


def test_a_graph_without_nodes_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "graph/tu/X/raw"
    folder.mkdir(parents=True)
    written(folder, graph_labels="7\n-1\n7\n-1\n", graph_indicator="1\n1\n2\n2\n4\n")
    with pytest.raises(BadGraph, match="graph 2 has no nodes"):
        tu.load(
            Data(root=tmp_path, cache=tmp_path), member="X", protocol="published", folds=2, attributes=True, pe=0
        )  # fmt: skip


def test_one_hot_gives_a_column_per_value_of_each_label() -> None:
    assert one_hot(np.array([[3, 0], [5, 0], [3, 1]])).tolist() == [[1, 0, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]]
    assert one_hot(np.zeros((2, 0), dtype=np.int64)).shape == (2, 0)


# --- the probe ----------------------------------------------------------------------------------------------


class Embedder:
    def __init__(self, embed: Any) -> None:
        self.embed = embed


def sums(batch: Batch) -> torch.Tensor:
    """How many atoms of each kind a molecule has."""
    rows = torch.zeros(batch.inputs.num_graphs, batch.inputs.nodes.shape[1])
    return rows.index_add(0, batch.inputs.graph_ids, batch.inputs.nodes)


def test_the_probe_sees_all_graphs_and_no_labels(data_root: Path) -> None:
    task = opened("mutag_probe", data_root)
    assert task.signature.output.level == "graphs"
    for split in ("train", "val", "test"):
        batches = list(task.batches(split, 100, None))
        assert [b.size for b in batches] == [100, 88]
        assert all(b.targets is None for b in batches)
    with pytest.raises(TypeError, match="no loss"):
        task.loss(None, batches[0])


def test_the_probe_finds_what_is_in_the_vectors(data_root: Path) -> None:
    task = opened("mutag_probe", data_root)
    constant = Embedder(lambda batch: torch.zeros(batch.inputs.num_graphs, 3))
    assert task.judge(constant, "test")["accuracy"] == pytest.approx(SPECS["mutag_probe"].floor)
    atoms = task.judge(Embedder(sums), "test")
    assert atoms["accuracy"] > SPECS["mutag_probe"].floor + 0.1
    assert task.judge(Embedder(sums), "val") != atoms
    classes = torch.from_numpy(task.classes)
    rows = iter(torch.split(torch.nn.functional.one_hot(classes).float(), 128))
    assert task.judge(Embedder(lambda batch: next(rows)), "test")["accuracy"] == 1.0


def test_labels_that_mean_nothing_are_not_predicted() -> None:
    random = np.random.RandomState(0)
    classes = np.repeat([0, 1], 40)
    vectors = random.standard_normal((80, 4))
    inner, outer = probe(vectors, classes)
    assert (inner, outer) == probe(vectors, classes)
    assert abs(outer - 0.5) < 3 * (0.25 / 80) ** 0.5
    assert inner < 0.7


def test_the_kernel_ignores_shift_scale_and_constant_columns() -> None:
    vectors = np.random.RandomState(0).standard_normal((12, 4))
    vectors[:, 3] = 5.0
    kernel = linear_kernel(vectors)
    assert np.trace(kernel) == pytest.approx(12 * 3 / 4)
    assert np.allclose(kernel, linear_kernel(vectors * [3, -1, 1e4, 2] + 7))
