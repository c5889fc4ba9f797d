"""The files of MNIST, and the task on its superpixels."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from dlbench import Graph, GraphClasses, NoData, Signature, UsageError
from dlbench.data import Data
from dlbench.data.graphs import GraphSet
from dlbench.data.kept import Arrays, kept
from dlbench.data.verify import digest

from ..many import ManyGraphs
from ..scores import accuracy
from . import superpixels
from .files import MNIST
from .splits import in_order

VERSION = 1  # raise it when the same images give other graphs
SEED = 111
FOLDER = "vision/mnist"
# The file that holds a part, its first image there, and how many are its own.
PARTS = {
    "train": ("train", 5_000, 55_000),
    "val": ("train", 0, 5_000),
    "test": ("t10k", 0, 10_000),
}


def make_task(data: Data, *, train: int, val: int, test: int) -> ManyGraphs:
    """The first `train`, `val` and `test` images of the published parts. Raises NoData for missing or damaged files
    and where scikit-image is missing, UsageError where a part has fewer images."""
    sizes = {"train": train, "val": val, "test": test}
    for name, size in sizes.items():
        if not 1 <= size <= PARTS[name][2]:
            raise UsageError(f"option {name!r} is a number of images from 1 to {PARTS[name][2]:,}, not {size}")
    parts = [load_part(data, name, size) for name, size in sizes.items()]
    found = {key: np.concatenate([part[key] for part in parts], axis=-1 if key == "edges" else 0) for key in parts[0]}
    graphs = GraphSet(
        node_counts=found["node_counts"], nodes=found["nodes"], edge_counts=found["edge_counts"], edges=found["edges"],
        edge_features=found["similarities"][:, None], device=data.device,
    )  # fmt: skip
    return ManyGraphs(
        graphs=graphs,
        targets=torch.from_numpy(found["labels"].astype(np.int64)).to(data.device),
        level="graph",
        signature=Signature(input=Graph(node_features=3, edge_features=1), output=GraphClasses(num_classes=10)),
        splits=in_order(list(sizes.values()), data.device),
        metric="accuracy",
        score=accuracy,
        loss_of=F.cross_entropy,
    )


def load_part(data: Data, name: str, size: int) -> Arrays:
    """The graphs of the first `size` images of a part, from the cache where they were made before."""
    key = {
        "part": name, "size": size, "seed": SEED, "files": digest(MNIST, data.root, data.cache), "version": VERSION,
        "scikit-image": superpixels.release(),
    }  # fmt: skip
    return kept(data.cache, "graph/mnist_superpixels", key, lambda: convert(data, name, size))


def convert(data: Data, name: str, size: int) -> Arrays:
    """The graphs of the first `size` images of a part as flat arrays, with `labels` (G,)."""
    segment = superpixels.slic()
    file, first, _ = PARTS[name]
    images = read(data.path(f"{FOLDER}/{file}-images-idx3-ubyte.gz"), header=16).reshape(-1, 28, 28)
    labels = read(data.path(f"{FOLDER}/{file}-labels-idx1-ubyte.gz"), header=8)
    if min(len(images), len(labels)) < first + size:
        raise NoData(f"the {file} files of MNIST hold {len(images)} images and {len(labels)} labels: too few")
    chosen = range(first, first + size)
    part = list(PARTS).index(name)
    drawn = [superpixels.graph(images[i], np.random.RandomState([SEED, part, i]), segment) for i in chosen]
    nodes, edges, similarities = zip(*drawn, strict=True)
    return {
        "node_counts": np.array([len(rows) for rows in nodes]),
        "edge_counts": np.array([ends.shape[1] for ends in edges]),
        "nodes": np.concatenate(nodes),
        "edges": np.concatenate(edges, axis=1),
        "similarities": np.concatenate(similarities),
        "labels": labels[first : first + size],
    }


def read(path: Path, *, header: int) -> NDArray[np.uint8]:
    """The bytes behind the header of a gzip-ed idx file, flat; raises NoData for a damaged one."""
    try:
        with gzip.open(path) as stream:
            raw = stream.read()
    except (OSError, EOFError, zlib.error) as error:
        raise NoData(f"{path.name} is not a whole gzip file: {error}") from error
    sizes = np.frombuffer(raw[4:header], dtype=">u4").astype(int)
    if len(raw) < header or int(np.prod(sizes)) != len(raw) - header:
        raise NoData(f"{path.name} doesn't hold as many values as it announces")
    return np.frombuffer(raw, dtype=np.uint8, offset=header)
