"""One graph with labelled nodes: published counts and splits, sparse features, bad files."""

from __future__ import annotations

import os
import pickle
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

import dlbench_gnn
from dlbench.data import Data
from dlbench.data.graphs import BadGraph, single_graph
from dlbench.data.verify import state
from dlbench.errors import NoData, UsageError
from dlbench.testing import check_task, report
from dlbench_graph import citation
from dlbench_graph.citation import files, planetoid
from dlbench_graph.citation.arrays import clean_edges, to_features
from dlbench_graph.citation.karate import FRIENDS, GROUPS, LABELLED
from dlbench_graph.citation.pickles import read_pickle
from dlbench_graph.neighbours import select_rows

SPECS = {spec.name: spec for spec in citation.specs()}
GCN = next(spec for spec in dlbench_gnn.dlbench_models() if spec.name == "gcn")
NOWHERE = Data(root=Path("no-data"), cache=Path("no-cache"))
PUBLISHED = {  # nodes, directed edges without repetitions and self-loops, features, classes, train, val, test
    "cora": (2708, 10556, 1433, 7, 140, 500, 1000),
    "citeseer": (3327, 9104, 3703, 6, 120, 500, 1000),
    "pubmed": (19717, 88648, 500, 3, 60, 500, 1000),
}


@pytest.fixture(scope="module")
def data(data_root: Path) -> Data:
    return Data(root=data_root, cache=Path("no-cache"))


def load(name: str, data: Data, **options: Any) -> Any:
    """The task; the test is skipped where the data root lacks its files."""
    found = SPECS[name].data
    if found is not None and state(found, data.root, None).status == "missing":
        pytest.skip(f"the data root lacks {name}")
    return SPECS[name].load(data, **options)


def write_planetoid(root: Path, **changes: Any) -> Data:
    """A set of six papers in the format of Cora: 0 and 1 labelled, 2 and 3 not, 4 and 6 the test; nobody wrote 5."""
    eye = np.eye(2, dtype=np.int32)
    parts = {
        "x": csr_matrix(np.ones((2, 3), dtype=np.float32)),
        "allx": csr_matrix(np.array([[1, 1, 0], [0, 0, 2], [0, 3, 1], [0, 0, 0]], dtype=np.float32)),
        "tx": csr_matrix(np.array([[0, 5, 0], [4, 0, 0]], dtype=np.float32)),
        "y": eye, "ally": eye[[0, 1, 1, 0]], "ty": eye[[1, 0]],
        "graph": defaultdict(list, {0: [1, 1, 0], 1: [0], 2: [3, 6], 3: [2], 4: [], 5: [], 6: [2]}),
        **changes,
    }  # fmt: skip
    folder = root / files.planetoid_folder("cora")
    folder.mkdir(parents=True)
    for name, value in parts.items():
        (folder / f"ind.cora.{name}").write_bytes(pickle.dumps(value, protocol=4))
    (folder / "ind.cora.test.index").write_text("6\n4\n")
    return Data(root=root, cache=root)


class Judged:
    """A learner as a task sees it."""

    def __init__(self, function: Any) -> None:
        self.predict = lambda batch: function(batch.inputs).detach()


# --- the published sets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_citations_have_the_published_counts(name: str, data: Data) -> None:
    task = load(name, data)
    nodes, edges, features, classes, *sizes = PUBLISHED[name]
    assert task.graph.nodes.shape == (nodes, features)
    assert task.graph.edges.shape == (2, edges)
    assert task.num_classes == classes
    assert [len(task.splits[split]) for split in ("train", "val", "test")] == sizes
    source, target = task.graph.edges
    keys = set((source * nodes + target).tolist())
    assert len(keys) == edges
    assert keys == set((target * nodes + source).tolist())
    assert not (source == target).any()
    assert task.labels[task.splits["train"]].bincount().tolist() == [20] * classes


@pytest.mark.parametrize("name", PUBLISHED)
def test_citations_are_those_of_pytorch_geometric(name: str, data: Data, tmp_path: Path) -> None:
    from torch_geometric.datasets import Planetoid
    from torch_geometric.transforms import NormalizeFeatures

    task = load(name, data)
    raw = data.root / files.planetoid_folder(name)
    shutil.copytree(raw, tmp_path / raw.parent.name / "raw")
    theirs = Planetoid(str(tmp_path), raw.parent.name, transform=NormalizeFeatures())[0]
    assert (task.graph.nodes.to_dense() - theirs.x).abs().max() < 1e-6
    own, other = ({tuple(edge) for edge in edges.T.tolist()} for edges in (task.graph.edges, theirs.edge_index))
    assert own == {(a, b) for a, b in other if a != b}
    for split in ("train", "val", "test"):
        chosen = task.splits[split]
        assert torch.equal(chosen, theirs[f"{split}_mask"].nonzero().squeeze(1))
        assert torch.equal(task.labels[chosen], theirs.y[chosen])


def test_features_stay_sparse_unless_asked(data: Data) -> None:
    sparse, dense = (SPECS["cora"].load(data, features=layout).graph.nodes for layout in ("csr", "dense"))
    assert sparse.layout == torch.sparse_csr
    assert sparse.values().shape == (49216,)
    assert sparse.dtype == torch.float32
    assert dense.layout == torch.strided
    assert torch.equal(sparse.to_dense(), dense)
    assert (dense.sum(dim=1) - 1).abs().max() < 1e-5


def test_papers_without_words_and_isolated_papers_get_finite_answers(data: Data) -> None:
    """CiteSeer lacks the words of 15 papers, and 48 others have no citation but to themselves."""
    task = SPECS["citeseer"].load(data)
    graph = task.graph
    empty = (graph.nodes.crow_indices().diff() == 0).nonzero().squeeze(1)
    isolated = (graph.edges[1].bincount(minlength=3327) == 0).nonzero().squeeze(1)
    assert len(empty) == 15
    assert len(isolated) == 48
    assert not torch.isin(empty, torch.cat(list(task.splits.values()))).any()
    torch.manual_seed(0)
    model = GCN.build(task.signature).eval()
    logits = model(graph)
    assert logits.isfinite().all()
    alone = single_graph(select_rows(graph.nodes, isolated), torch.empty(2, 0, dtype=torch.int64))
    assert (logits[isolated] - model(alone)).abs().max() < 1e-5


@pytest.mark.parametrize("batch_size", [1, 60])
def test_neighbour_batches_agree_with_the_whole_graph_sparse_or_dense(batch_size: int, data: Data) -> None:
    whole = SPECS["cora"].load(data)
    torch.manual_seed(0)
    model = GCN.build(whole.signature).eval()
    expected = model(whole.graph)
    batches = [
        next(iter(SPECS["cora"].load(data, features=layout, sampler="neighbour").batches("train", batch_size, None)))
        for layout in ("csr", "dense")
    ]
    assert [batch.inputs.nodes.layout for batch in batches] == [torch.sparse_csr, torch.strided]
    assert torch.equal(batches[0].inputs.nodes.to_dense(), batches[1].inputs.nodes)
    for batch in batches:
        assert len(batch.mask) < 2708
        assert (model(batch.inputs)[batch.mask] - expected[whole.splits["train"][:batch_size]]).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("name", "nodes", "links", "undirected", "sizes"),
    [
        ("cornell", 183, 295, 554, (87, 59, 37)),  # 298 with the pages that link to themselves
        ("texas", 183, 309, 558, (87, 59, 37)),  # 325
        ("wisconsin", 251, 499, 900, (120, 80, 51)),  # 515
    ],
)
def test_web_pages(name: str, nodes: int, links: int, undirected: int, sizes: tuple[int, ...], data: Data) -> None:
    task, directed = (SPECS[name].load(data, directed=flag) for flag in (False, True))
    assert task.graph.nodes.shape == (nodes, 1703)
    assert task.num_classes == 5
    assert task.graph.edges.shape == (2, undirected)
    assert directed.graph.edges.shape == (2, links)
    one_way = {tuple(edge) for edge in directed.graph.edges.T.tolist()}
    both_ways = {tuple(edge) for edge in task.graph.edges.T.tolist()}
    assert both_ways == one_way | {(target, source) for source, target in one_way}
    assert len(task.folds) == SPECS[name].folds == 10
    tests = [task.fold(fold).splits["test"] for fold in range(10)]
    assert tuple(len(task.splits[split]) for split in ("train", "val", "test")) == sizes
    assert all(sum(len(split) for split in fold.values()) == nodes for fold in task.folds)
    assert len({tuple(test.tolist()) for test in tests}) == 10


@pytest.mark.parametrize("name", SPECS)
def test_conforms(name: str, data: Data) -> None:
    load(name, data)
    findings = check_task(SPECS[name], data_root=data.root)
    assert len(findings) > 3
    wrong = [f for f in findings if not f.ok and not (SPECS[name].folds > 1 and "floor" in f.check)]
    assert not wrong, report(findings)  # floors over folds: below


@pytest.mark.parametrize("name", [name for name in SPECS if name != "cora_probe"])
def test_floor_is_the_mean_over_the_folds_of_the_most_frequent_training_class(name: str, data: Data) -> None:
    spec, task = SPECS[name], load(name, data)
    scores = []
    for part in [task.fold(fold) for fold in range(spec.folds)] if spec.folds > 1 else [task]:
        counts = part.labels[part.splits["train"]].bincount(minlength=part.num_classes).float()
        learner = Judged(lambda inputs, counts=counts: counts.expand(inputs.nodes.shape[0], -1))
        scores.append(part.judge(learner, "test")["accuracy"])
    assert sum(scores) / len(scores) == pytest.approx(spec.floor, abs=1e-9)


def test_the_files_hold_what_was_published(data_root: Path) -> None:
    sets = (files.CORA, files.CITESEER, files.CORNELL, files.TEXAS, files.WISCONSIN, files.CORA_COAUTHORSHIP)
    for dataset in sets:
        assert state(dataset, data_root, None).status == "verified", dataset.name


def test_files_are_declared_once_with_their_addresses() -> None:
    sets = (files.CORA, files.CITESEER, files.PUBMED, files.CORNELL, files.TEXAS, files.WISCONSIN)
    declared = [file for dataset in (*sets, files.CORA_COAUTHORSHIP) for file in dataset.files]
    assert len({file.path for file in declared}) == len(declared) == 3 * 8 + 3 * 12 + 4
    assert all(len(file.sha256) == 64 and set(file.sha256) <= set("0123456789abcdef") for file in declared)
    for file in (file for dataset in sets for file in dataset.files):
        assert file.urls[0].rpartition("/")[2] == file.path.rpartition("/")[2]
        assert "/raw.githubusercontent.com/" in file.urls[0]


# --- the karate club --------------------------------------------------------------------------------------


def test_karate_is_zacharys_club() -> None:
    networkx = pytest.importorskip("networkx")
    club = networkx.karate_club_graph()
    ours = {(member, friend) for member, friends in FRIENDS.items() for friend in friends}
    assert ours == {tuple(sorted(edge)) for edge in club.edges}
    assert len(ours) == 78
    assert GROUPS[2] == "".join("0" if club.nodes[node]["club"] == "Mr. Hi" else "1" for node in range(34))
    groups = [{node for node in range(34) if GROUPS[4][node] == group} for group in "0123"]
    best_pair = [{node for node in range(34) if GROUPS[2][node] == club} for club in "01"]
    modularity = networkx.community.modularity
    assert modularity(club, groups, weight=None) > 0.41 > modularity(club, best_pair, weight=None)


@pytest.mark.parametrize(("groups", "sizes"), [(2, [2, 8, 24]), (4, [4, 8, 22])])
def test_karate_labels_one_member_of_each_group(groups: int, sizes: list[int]) -> None:
    task = SPECS["karate"].load(NOWHERE, groups=groups)
    assert torch.equal(task.graph.nodes, torch.eye(34))
    assert task.graph.edges.shape == (2, 156)
    assert task.splits["train"].tolist() == list(LABELLED[groups])
    assert sorted(task.labels[task.splits["train"]].tolist()) == list(range(groups))
    assert [len(task.splits[split]) for split in ("train", "val", "test")] == sizes
    assert torch.cat(list(task.splits.values())).unique().tolist() == list(range(34))


def test_a_gcn_learns_who_followed_whom() -> None:
    task = SPECS["karate"].load(NOWHERE)
    torch.manual_seed(0)
    model = GCN.build(task.signature, dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    (batch,) = task.batches("train", 1, None)
    for _ in range(200):
        optimizer.zero_grad()
        task.loss(model(batch.inputs), batch).backward()
        optimizer.step()
    assert task.judge(Judged(model.eval()), "test")["accuracy"] > 0.9


# --- bad input --------------------------------------------------------------------------------------------


def test_small_files_in_the_format_are_read(tmp_path: Path) -> None:
    found = planetoid.read(write_planetoid(tmp_path), "cora")
    assert found.features.toarray()[[4, 5, 6]].tolist() == [[4, 0, 0], [0, 0, 0], [0, 5, 0]]  # the test in file order
    assert found.labels.tolist() == [0, 1, 1, 0, 0, 0, 1]
    assert sorted(map(tuple, found.edges.T.tolist())) == [(0, 1), (1, 0), (2, 3), (2, 6), (3, 2), (6, 2)]
    assert found.splits["test"].tolist() == [4, 6]
    graph = found.graph(features="dense")
    assert graph.nodes[:4].tolist() == [[0.5, 0.5, 0], [0, 0, 1], [0, 0.75, 0.25], [0, 0, 0]]


def test_a_citation_of_a_paper_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    found = planetoid.read(write_planetoid(tmp_path, graph={0: [1], 1: [0, 99]}), "cora")
    with pytest.raises(BadGraph, match="an edge to node 99, but its nodes are 0 to 6"):
        found.graph()


@pytest.mark.parametrize("layout", ["csr", "dense"])
def test_features_that_are_not_finite_are_refused(layout: str, tmp_path: Path) -> None:
    words = csr_matrix(np.array([[1, 1, 0], [0, 0, 2], [0, np.nan, 1], [0, 0, 0]], dtype=np.float32))
    found = planetoid.read(write_planetoid(tmp_path, allx=words), "cora")
    with pytest.raises(BadGraph, match=r"a feature of node \d+ isn't finite"):
        found.graph(features=layout)


def write_webkb(root: Path, links: str = "0\t1\n1\t0\n2\t2\n2\t0\n", test: tuple[int, ...] = (0, 0, 1)) -> Data:
    """Three pages of Cornell, each in another split."""
    folder = root / files.webkb_folder("cornell")
    folder.mkdir(parents=True)
    (folder / "out1_graph_edges.txt").write_text(f"node_id\tnode_id\n{links}")
    (folder / "out1_node_feature_label.txt").write_text("node\tfeature\tlabel\n2\t0,0\t0\n0\t1,1\t1\n1\t0,1\t2\n")
    for fold in range(10):
        masks = {"train_mask": [1, 0, 0], "val_mask": [0, 1, 0], "test_mask": list(test)}
        np.savez(folder / f"cornell_split_0.6_0.2_{fold}.npz", **masks)
    return Data(root=root, cache=root)


def test_small_web_pages_are_read(tmp_path: Path) -> None:
    task = SPECS["cornell"].load(write_webkb(tmp_path), features="dense")
    assert task.graph.nodes.tolist() == [[0.5, 0.5], [0, 1], [0, 0]]
    assert task.labels.tolist() == [1, 2, 0]
    assert {tuple(edge) for edge in task.graph.edges.T.tolist()} == {(0, 1), (1, 0), (0, 2), (2, 0)}


def test_a_link_to_a_page_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadGraph, match="an edge to node 3, but its nodes are 0 to 2"):
        SPECS["cornell"].load(write_webkb(tmp_path, links="0\t1\n3\t1\n"))


def test_overlapping_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadGraph, match="1 is in the splits val and test"):
        SPECS["cornell"].load(write_webkb(tmp_path, test=(0, 1, 1)))


def test_files_of_two_sets_do_not_mix(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="don't belong together"):
        planetoid.read(write_planetoid(tmp_path, ally=np.eye(2)), "cora")


class Attack:
    def __reduce__(self) -> Any:
        return os.mkdir, ("hit",)


def test_a_pickle_may_hold_nothing_but_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad").write_bytes(pickle.dumps({0: [Attack()]}))
    with pytest.raises(NoData, match=r"can't read bad: it names .*mkdir, which is no data"):
        read_pickle(tmp_path / "bad")
    assert not (tmp_path / "hit").exists()
    (tmp_path / "cut").write_bytes(pickle.dumps(np.arange(9))[:40])
    with pytest.raises(NoData, match="can't read cut"):
        read_pickle(tmp_path / "cut")


def test_missing_files_and_wrong_options() -> None:
    for name in SPECS:
        if SPECS[name].data is not None:
            with pytest.raises(NoData, match="is missing from the data root"):
                SPECS[name].load(NOWHERE)
    with pytest.raises(UsageError, match="'csr' or 'dense', not 'coo'"):
        to_features(csr_matrix(np.eye(2)), "coo")
    with pytest.raises(UsageError, match="2 or 4, not 3"):
        SPECS["karate"].load(NOWHERE, groups=3)


def test_edges_lose_self_loops_and_repetitions() -> None:
    assert clean_edges([0, 0, 2, 1], [1, 1, 2, 0]).T.tolist() == [[0, 1], [1, 0]]
    assert clean_edges([0, 0, 2, 1], [1, 1, 2, 2], directed=True).T.tolist() == [[0, 1], [1, 2]]
