"""csl, zinc and aqsol: what the sets hold, splits, options, floors."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlbench.data import Data
from dlbench.data.root import default_cache
from dlbench.errors import NoData, UsageError
from dlbench.testing import check_task, report
from dlbench_graph import sets
from dlbench_graph.sets import csl

SPECS = {spec.name: spec for spec in sets.specs()}
NOWHERE = Data(root=Path("no-data"), cache=Path("no-cache"))


@cache
def opened(name: str, root: Path, **options: Any) -> Any:
    """The loaded task, shared by the tests, which don't change it."""
    return SPECS[name].open(Data(root=root, cache=default_cache()), options)


@pytest.mark.parametrize("name", ["csl", "zinc", "aqsol"])
def test_task_conforms(name: str, data_root: Path) -> None:
    findings = check_task(SPECS[name], data_root=data_root)
    assert not [f for f in findings if not f.ok], report(findings)


# --- circular skip links ----------------------------------------------------------------------------------


def spectra(edges: np.ndarray) -> np.ndarray:
    adjacency = np.zeros((len(edges), csl.NODES, csl.NODES))
    adjacency[np.arange(len(edges))[:, None], edges[:, 0], edges[:, 1]] = 1
    assert np.array_equal(adjacency, adjacency.transpose(0, 2, 1))
    assert (adjacency.sum(axis=1) == 4).all()
    assert not adjacency[:, np.arange(csl.NODES), np.arange(csl.NODES)].any()
    return np.sort(np.linalg.eigvalsh(adjacency), axis=1)


def closed_form(skip: int) -> np.ndarray:
    """The eigenvalues of a circulant graph."""
    angle = 2 * np.pi * np.arange(csl.NODES) / csl.NODES
    return np.sort(2 * np.cos(angle) + 2 * np.cos(skip * angle))


def test_generated_and_published_graphs_have_the_spectra_of_their_classes(data_root: Path) -> None:
    for edges, labels, _ in (csl.generate(), csl.read(Data(root=data_root, cache=data_root))):
        assert edges.shape == (150, 2, 164)
        assert np.bincount(labels).tolist() == [15] * 10
        expected = np.stack([closed_form(csl.SKIPS[label]) for label in labels])
        assert np.abs(spectra(edges) - expected).max() < 1e-8
        assert len(np.unique(edges.reshape(150, -1), axis=0)) == 150  # no two graphs with the same order of nodes


@pytest.mark.parametrize("source", ["generated", "published"])
def test_the_nearest_spectrum_has_the_right_class(source: str, data_root: Path) -> None:
    edges, labels, folds = csl.generate() if source == "generated" else csl.read(Data(root=data_root, cache=data_root))
    found = spectra(edges)
    for fold in folds:
        distance = np.linalg.norm(found[fold["test"], None] - found[fold["train"]], axis=2)
        assert np.array_equal(labels[fold["train"]][distance.argmin(axis=1)], labels[fold["test"]])


@pytest.mark.parametrize("source", ["generated", "published"])
def test_csl_folds(source: str, data_root: Path) -> None:
    task = opened("csl", data_root, source=source)
    assert len(task.folds) == SPECS["csl"].num_folds({}) == 5
    tested: list[int] = []
    for fold in task.folds:
        assert sorted(torch.cat(list(fold.values())).tolist()) == list(range(150))
        counts = {name: task.targets[index].bincount().tolist() for name, index in fold.items()}
        assert counts == {"train": [9] * 10, "val": [3] * 10, "test": [3] * 10}
        tested += fold["test"].tolist()
    assert sorted(tested) == list(range(150))


def test_csl_needs_no_files_unless_published() -> None:
    spec = SPECS["csl"]
    assert spec.files({}) is None
    assert spec.files({"pe": 20}) is None
    published = spec.files({"source": "published"})
    assert published is not None
    assert published in spec.datasets
    task = spec.open(NOWHERE, {})
    assert torch.equal(task.graphs.nodes, torch.ones(150 * 41, 1))
    assert torch.equal(task.graphs.edges, spec.open(NOWHERE, {}).graphs.edges)
    with pytest.raises(NoData, match=r"csl\.npz"):
        spec.open(NOWHERE, {"source": "published"})
    with pytest.raises(UsageError, match="published"):
        spec.open(NOWHERE, {"source": "publisht"})


def test_csl_with_positions() -> None:
    task = SPECS["csl"].open(Data(root=Path("no-data"), cache=default_cache()), {"pe": 20})
    assert (task.signature.input.node_features, task.signature.input.positions) == (21, 20)
    assert torch.equal(task.graphs.nodes[:, 0], torch.ones(150 * 41))
    columns = task.graphs.nodes[:, 1:].double().view(150, 41, 20)
    gram = columns.transpose(1, 2) @ columns
    assert (gram - torch.eye(20, dtype=torch.float64)).abs().max() < 1e-5


# --- molecules ----------------------------------------------------------------------------------------------

MOLECULES = {  # splits, nodes, directed edges, atom and bond types
    "zinc": ((10000, 1000, 1000), 277561, 597378, 28, 4),
    "aqsol": ((7831, 996, 996), 172556, 351310, 65, 5),
}


@pytest.mark.parametrize("name", MOLECULES)
def test_molecules_are_those_of_the_readme(name: str, data_root: Path) -> None:
    task = opened(name, data_root)
    splits, nodes, edges, atoms, bonds = MOLECULES[name]
    assert tuple(len(task.splits[split]) for split in ("train", "val", "test")) == splits
    assert sorted(torch.cat(list(task.splits.values())).tolist()) == list(range(sum(splits)))
    assert task.graphs.nodes.shape == (nodes, atoms)
    assert task.graphs.edge_features.shape == (edges, bonds)
    kinds = task.signature.input
    assert (kinds.node_features, kinds.edge_features, kinds.positions) == (atoms, bonds, 0)
    assert torch.equal(task.graphs.nodes.sum(dim=1), torch.ones(nodes))
    assert torch.equal(task.graphs.edge_features.sum(dim=1), torch.ones(edges))
    assert not task.graphs.edge_features[:, 0].any()  # no bond is never stored


def test_zinc_in_figures(data_root: Path) -> None:
    task = opened("zinc", data_root)
    counts = task.graphs.node_counts
    assert (int(counts.min()), int(counts.max())) == (9, 37)
    assert counts.double().mean().item() == pytest.approx(23.13, abs=0.005)
    assert task.graphs.edge_counts.double().mean().item() / 2 == pytest.approx(24.89, abs=0.005)
    assert int((task.graphs.nodes.sum(dim=0) > 0).sum()) == 17
    y = task.targets.double()
    median = y[task.splits["train"]].median()
    for split, mae in (("val", 1.432), ("test", 1.556)):
        assert (y[task.splits[split]] - median).abs().mean().item() == pytest.approx(mae, abs=5e-4)


def test_aqsol_in_figures(data_root: Path) -> None:
    task = opened("aqsol", data_root)
    y = task.targets.double()
    median = y[task.splits["train"]].median()
    for split, mae in (("val", 1.720), ("test", 2.198)):
        assert (y[task.splits[split]] - median).abs().mean().item() == pytest.approx(mae, abs=5e-4)


def test_edges_keep_their_bonds(data_root: Path) -> None:
    """The graph set reorders edges; its bonds must follow."""
    task = opened("zinc", data_root)
    with np.load(data_root / "graph/molecules/zinc/zinc12k_graphs.npz") as arrays:
        pointers, ends, types = arrays["edge_ptr"], arrays["edge_index"], arrays["edge_type"]
        for graph in (0, 777, 11999):
            first, last = pointers[graph : graph + 2]
            rows = zip(*ends[:, first:last].tolist(), types[first:last].tolist(), strict=True)
            expected = {(*pair, kind) for *pair, kind in rows}
            found = task.graphs.gather(torch.tensor([graph])).graphs
            assert {
                (*pair, kind)
                for *pair, kind in zip(*found.edges.tolist(), found.edge_features.argmax(dim=1).tolist(), strict=True)
            } == expected


def test_options_of_molecules(data_root: Path) -> None:
    whole = opened("zinc", data_root)
    task = opened("zinc", data_root, edge_features=False, pe=3, train=500)
    assert task.graphs.edge_features is None
    kinds = task.signature.input
    assert (kinds.node_features, kinds.edge_features, kinds.positions) == (31, 0, 3)
    assert torch.equal(task.splits["train"], whole.splits["train"][:500])
    assert torch.equal(task.splits["test"], whole.splits["test"])
    for wrong in (0, -1, 10001, 2.5, True, "all"):
        with pytest.raises(UsageError, match="train"):
            opened("zinc", data_root, train=wrong)


def test_what_a_row_on_zinc_says() -> None:
    assert SPECS["zinc"].flags_of({}) == ("own_train_split",)
    assert SPECS["zinc"].reference is None
    assert SPECS["aqsol"].flags_of({}) == ()


def test_plateaus_watch_the_validation_loss() -> None:
    for name in ("csl", "zinc", "aqsol"):
        assert SPECS[name].monitored.name == "loss"
        assert not SPECS[name].monitored.higher_is_better
        assert SPECS[name].recipe["select"] == "last"
