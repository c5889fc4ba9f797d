"""MNIST as superpixels: counts as published, features against the pixels, damaged files."""

from __future__ import annotations

import gzip
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dlbench_vision.files
from dlbench.data import Data
from dlbench.errors import NoData, UsageError
from dlbench.testing import check_task, report
from dlbench_graph.generated import files, mnist, specs, superpixels
from workshop import catalog

pytest.importorskip("skimage", reason="superpixels need scikit-image")

SPECS = {spec.name: spec for spec in specs()}
SMALL = {"train": 80, "val": 20, "test": 20}
PUBLISHED_NODES, PUBLISHED_EDGES = 70.6, 564.5  # means of the published set, from the docs of PyG's GNNBenchmarkDataset


@pytest.fixture(scope="module")
def data(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data(root=data_root, cache=tmp_path_factory.mktemp("superpixels"))


@pytest.fixture(scope="module")
def task(data: Data) -> Any:
    return mnist.make_task(data, **SMALL)


def images(data: Data, file: str = "train") -> Any:
    return mnist.read(data.path(f"vision/mnist/{file}-images-idx3-ubyte.gz"), header=16).reshape(-1, 28, 28)


def test_node_and_edge_counts_are_those_published(task: Any) -> None:
    nodes, edges = task.graphs.node_counts, task.graphs.edge_counts
    assert torch.equal(edges, 8 * nodes)
    error = nodes.double().std() / len(nodes) ** 0.5
    assert abs(nodes.double().mean() - PUBLISHED_NODES) < 4 * error
    assert abs(edges.double().mean() - PUBLISHED_EDGES) < 4 * 8 * error
    assert error < 1
    assert nodes.max() <= 75


def test_superpixels_cover_the_image_in_one_piece_each(data: Data) -> None:
    from skimage.measure import label

    for image in images(data)[:3]:
        patches = superpixels.superpixels(image, superpixels.slic())
        assert sorted(np.unique(patches)) == list(range(patches.max() + 1))
        assert label(patches + 1, connectivity=1).max() == patches.max() + 1


def test_nodes_hold_intensity_row_and_column(data: Data) -> None:
    image = images(data)[5000]
    patches = superpixels.superpixels(image, superpixels.slic())
    nodes, _, _ = superpixels.graph(image, np.random.RandomState(0), superpixels.slic())
    wanted = []
    for patch in range(patches.max() + 1):
        rows, columns = np.nonzero(patches == patch)
        wanted.append([image[rows, columns].mean() / 255, rows.mean() / 28, columns.mean() / 28])
    assert np.allclose(sorted(nodes.tolist()), sorted(np.float32(wanted).tolist()), atol=1e-6)
    assert not np.allclose(nodes, np.float32(wanted), atol=1e-3)  # in random order


def test_edges_lead_to_the_8_most_similar(data: Data) -> None:
    nodes, (source, target), similarity = superpixels.graph(
        images(data)[0], np.random.RandomState(0), superpixels.slic()
    )
    n = len(nodes)
    distance = np.sqrt(np.square(nodes[:, None, 1:] - nodes[None, :, 1:]).sum(axis=2))
    scale = np.array([sorted(row)[1:9] for row in distance]).mean(axis=1)
    all_pairs = np.exp(-((distance / scale[:, None]) ** 2))
    all_pairs = (all_pairs + all_pairs.T) / 2
    np.fill_diagonal(all_pairs, 0)
    assert np.bincount(source, minlength=n).tolist() == [8] * n
    assert np.allclose(similarity, all_pairs[source, target], atol=1e-4)
    for node in range(n):
        eighth = sorted(all_pairs[node])[-8]
        assert similarity[source == node].min() >= eighth - 1e-5


def test_splits_are_the_published_parts(task: Any, data: Data) -> None:
    labels = mnist.read(data.path("vision/mnist/train-labels-idx1-ubyte.gz"), header=8)
    test = mnist.read(data.path("vision/mnist/t10k-labels-idx1-ubyte.gz"), header=8)
    found = {split: next(iter(task.batches(split, 128, None))).targets.tolist() for split in SMALL}
    assert found == {"train": labels[5000:5080].tolist(), "val": labels[:20].tolist(), "test": test[:20].tolist()}


def test_fewer_images_are_the_first_of_more(data: Data, task: Any) -> None:
    fewer = mnist.make_task(data, train=5, val=3, test=2)
    for split, count in {"train": 5, "val": 3, "test": 2}.items():
        first = next(iter(task.batches(split, count, None))).inputs
        second = next(iter(fewer.batches(split, count, None))).inputs
        assert torch.equal(first.nodes, second.nodes)
        assert torch.equal(first.edges, second.edges)
        assert torch.equal(first.edge_features, second.edge_features)


def test_floors_are_those_of_the_most_frequent_class(data: Data) -> None:
    labels = mnist.read(data.path("vision/mnist/train-labels-idx1-ubyte.gz"), header=8)[5000:]
    test = mnist.read(data.path("vision/mnist/t10k-labels-idx1-ubyte.gz"), header=8)
    for name, train, judged in (("mnist_superpixels", 55_000, 10_000), ("mnist_superpixels_small", 1_000, 500)):
        most = np.bincount(labels[:train]).argmax()
        assert SPECS[name].floor == (test[:judged] == most).mean()


def test_a_small_form_conforms(data: Data, data_root: Path) -> None:
    test = mnist.read(data.path("vision/mnist/t10k-labels-idx1-ubyte.gz"), header=8)[:20]
    train = mnist.read(data.path("vision/mnist/train-labels-idx1-ubyte.gz"), header=8)[5000:5080]
    floor = float((test == np.bincount(train).argmax()).mean())
    spec = replace(SPECS["mnist_superpixels_small"], load=lambda _: mnist.make_task(data, **SMALL), floor=floor)
    findings = check_task(spec, catalog(), data_root=data_root)
    assert all(finding.ok for finding in findings), report(findings)


def test_the_files_are_those_of_the_task_mnist() -> None:
    assert dlbench_vision.files.MNIST == files.MNIST


@pytest.mark.parametrize("options", [{"train": 0}, {"val": 5_001}, {"test": -1}])
def test_a_number_of_images_that_a_part_does_not_have_is_refused(data: Data, options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        mnist.make_task(data, **{**SMALL, **options})


def test_without_scikit_image_it_says_what_to_install(data: Data, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(NoData, match="pip install scikit-image"):
        mnist.make_task(Data(root=data.root, cache=tmp_path), train=1, val=1, test=1)


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"\0\0\x08\x03" + bytes(8)), gzip.compress(bytes(40))],
    ids=["no gzip", "no images", "no header"],
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(NoData, match="train-images"):
        mnist.read(path, header=16)
