"""The hypergraph task: published counts, splits without validation, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlbench import Hypergraph, HypergraphBatch, NodeClasses
from dlbench.data import Data
from dlbench.data.graphs import BadGraph
from dlbench.errors import NoData
from dlbench_graph import citation
from dlbench_graph.citation.files import COAUTHORSHIP_FOLDER
from dlbench_graph.citation.hypergraph import SingleHypergraph, single_hypergraph

SPEC = next(spec for spec in citation.specs() if spec.name == "cora_coauthorship")


@pytest.fixture(scope="module")
def task(data_root: Path) -> SingleHypergraph:
    return SPEC.load(Data(root=data_root, cache=Path("no-cache")))


def small(**changes: Any) -> SingleHypergraph:
    """Five nodes in two hyperedges; node 4 is in none."""
    parts = {
        "graph": single_hypergraph(torch.rand(5, 3), torch.tensor([[3, 0, 1, 2, 1], [1, 0, 0, 1, 1]]), 2),
        "labels": torch.tensor([0, 0, 1, 1, 0]),
        "splits": {"train": torch.tensor([0, 3]), "test": torch.tensor([1, 2, 4])},
        "num_classes": 2,
        **changes,
    }
    return SingleHypergraph(**parts)


class Judged:
    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits

    def predict(self, batch: Any) -> torch.Tensor:
        return self.logits


def test_coauthors_have_the_published_counts(task: SingleHypergraph) -> None:
    nodes, members, count = task.graph
    assert nodes.shape == (2708, 1433)
    assert nodes.layout == torch.sparse_csr
    assert len(nodes.values()) == 49216
    assert (nodes.to_dense().sum(dim=1) - 1).abs().max() < 1e-5
    assert count == 1072
    assert len(members[0].unique()) == 2388
    assert members[1].bincount().min() >= 2
    assert (members[1].diff() >= 0).all()
    assert task.signature.input == Hypergraph(node_features=1433)
    assert task.signature.output == NodeClasses(num_classes=7)


def test_ten_splits_label_twenty_papers_of_each_class(task: SingleHypergraph) -> None:
    trains = set()
    for index in range(SPEC.folds):
        fold = task.fold(index)
        train, test = fold.splits["train"], fold.splits["test"]
        assert (len(train), len(test)) == (140, 2568)
        assert len(torch.cat([train, test]).unique()) == 2708
        assert fold.labels[train].bincount().tolist() == [20] * 7
        trains.add(tuple(sorted(train.tolist())))
    assert len(trains) == 10


def test_validation_is_the_training_nodes_and_the_last_state_is_judged(task: SingleHypergraph) -> None:
    (train,), (val,) = task.batches("train", 1, None), task.batches("val", 1, None)
    assert torch.equal(train.mask, val.mask)
    assert val.size == 140
    assert SPEC.recipe["select"] == "last"
    given = small(splits={"train": torch.tensor([0]), "val": torch.tensor([3]), "test": torch.tensor([1])})
    assert given.batches("val", 1, None)[0].mask.nonzero().flatten().tolist() == [3]


def test_members_come_ascending_by_hyperedge_each_once() -> None:
    members = torch.tensor([[3, 0, 1, 3, 2, 1], [1, 0, 0, 1, 1, 1]])
    graph = single_hypergraph(torch.rand(5, 3), members, 2)
    assert graph.members.tolist() == [[0, 1, 1, 2, 3], [0, 0, 1, 1, 1]]
    assert isinstance(graph, HypergraphBatch)


def test_loss_and_accuracy_count_the_split_alone() -> None:
    task = small()
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [1.0, 0.0], [5.0, 0.0]])
    scores = task.judge(Judged(logits), "test")
    assert scores["accuracy"] == 2 / 3  # of the nodes 1, 2 and 4 the first is wrong
    expected = torch.nn.functional.cross_entropy(logits[[1, 2, 4]], task.labels[[1, 2, 4]])
    assert scores["loss"] == pytest.approx(expected.item())


def test_bad_hypergraphs_are_refused() -> None:
    nodes = torch.rand(5, 3)
    with pytest.raises(BadGraph, match="a member is of node 5, but the nodes are 0 to 4"):
        single_hypergraph(nodes, torch.tensor([[0, 5], [0, 1]]), 2)
    with pytest.raises(BadGraph, match="a member is of hyperedge 2, but the hyperedges are 0 to 1"):
        single_hypergraph(nodes, torch.tensor([[0, 1], [0, 2]]), 2)
    with pytest.raises(BadGraph, match="hyperedge 1 has no members"):
        single_hypergraph(nodes, torch.tensor([[0, 1], [0, 0]]), 2)
    nodes[2, 1] = torch.nan
    for layout in (nodes, nodes.to_sparse_csr()):
        with pytest.raises(BadGraph, match="node 2 isn't finite"):
            single_hypergraph(layout, torch.tensor([[0, 1], [0, 1]]), 2)


def test_overlapping_splits_are_refused() -> None:
    with pytest.raises(BadGraph, match="1 is in the splits train and test"):
        small(splits={"train": torch.tensor([0, 1]), "test": torch.tensor([1, 2])})


def write(root: Path, authors: list[list[int]]) -> Data:
    folder = root / COAUTHORSHIP_FOLDER
    folder.mkdir(parents=True)
    data = np.ones(3, dtype=np.float32)
    np.savez(folder / "features_csr.npz", indptr=[0, 1, 2, 3], indices=[0, 1, 0], data=data, shape=[3, 2])
    edges = [{"name": str(index), "nodes": nodes} for index, nodes in enumerate(authors)]
    (folder / "hyperedges.json").write_text(json.dumps({"edges": edges}))
    (folder / "labels.json").write_text("[0, 1, 0]")
    (folder / "splits_train_ids.json").write_text(json.dumps({"2": [1], "1": [0, 1], "10": [2]}))
    return Data(root=root, cache=root)


def test_small_files_in_the_format_are_read(tmp_path: Path) -> None:
    task = SPEC.load(write(tmp_path, [[0, 2], [1, 2]]), features="dense")
    assert task.graph.nodes.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert task.graph.members.tolist() == [[0, 2, 1, 2], [0, 0, 1, 1]]
    assert [fold["train"].tolist() for fold in task.folds] == [[0, 1], [1], [2]]
    assert task.splits["test"].tolist() == [2]


def test_an_author_of_a_paper_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadGraph, match="a member is of node 7"):
        SPEC.load(write(tmp_path, [[0, 7]]))


def test_damaged_files_are_no_data(tmp_path: Path) -> None:
    data = write(tmp_path, [[0, 2]])
    (tmp_path / COAUTHORSHIP_FOLDER / "labels.json").write_text("[0, 1")
    with pytest.raises(NoData, match=r"can't read labels\.json"):
        SPEC.load(data)
