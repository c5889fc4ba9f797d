"""`csl`: tell ten kinds of circular graphs apart that message passing can't tell apart.

Circular skip links: Murphy et al. 2019, "Relational Pooling for Graph Representations"; ten classes, folds and protocol
of Dwivedi et al. 2023, "Benchmarking Graph Neural Networks". CSL(41, R) is a cycle of 41 nodes with a link from each
node to the one R steps on. All nodes of all classes look alike to the 1-WL test, so a network that only passes messages
gives every graph the same answer.

Differs: the published node feature is a constant 0 that an embedding turns into a constant vector, here a constant 1;
and the published code replaces it by the positional encodings, where here they stand beside it.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from dlbench import Graph, GraphClasses, Signature, unknown
from dlbench.data import Data
from dlbench.data.graphs import GraphSet

from ..many import ManyGraphs
from ..positions import add_positions
from ..scores import accuracy

NODES = 41
SKIPS = (2, 3, 4, 5, 6, 9, 11, 12, 13, 16)  # by class; the others give graphs isomorphic to one of these
COPIES = 15  # of each class, in different orders of the nodes
NUM_FOLDS = 5
SEED = 41

Edges = NDArray[np.int64]
Folds = list[dict[str, NDArray[np.int64]]]


def load(data: Data, *, source: str, pe: int) -> ManyGraphs:
    """`source`: `generated`, or `published` for the instances and folds of the files. `pe`: eigenvectors to add."""
    if source not in ("generated", "published"):
        raise unknown("source of csl", source, ("generated", "published"))
    edges, labels, folds = generate() if source == "generated" else read(data)
    count = len(labels)
    sizes, links = np.full(count, NODES), np.full(count, edges.shape[2])
    flat = edges.transpose(1, 0, 2).reshape(2, -1)
    nodes = np.ones((count * NODES, 1), dtype=np.float32)
    nodes = add_positions(nodes, sizes, links, flat, pe, data.cache)
    placed = [{name: torch.from_numpy(index).to(data.device) for name, index in fold.items()} for fold in folds]
    return ManyGraphs(
        graphs=GraphSet(node_counts=sizes, nodes=nodes, edge_counts=links, edges=flat, device=data.device),
        targets=torch.from_numpy(labels).to(data.device),
        level="graph",
        signature=Signature(
            input=Graph(node_features=1 + pe, positions=pe), output=GraphClasses(num_classes=len(SKIPS))
        ),
        splits=placed[0],
        metric="accuracy",
        score=accuracy,
        loss_of=cross_entropy,
        folds=placed,
    )


def skip_links(skip: int) -> Edges:
    """The edges (2, 164) of CSL(41, skip), both directions."""
    start = np.arange(NODES)
    ends = np.stack([np.tile(start, 2), np.concatenate([start + 1, start + skip]) % NODES])
    return np.concatenate([ends, ends[::-1]], axis=1)


def generate(seed: int = SEED) -> tuple[Edges, NDArray[np.int64], Folds]:
    """Edges (150, 2, 164), classes (150,), and folds of 90 / 30 / 30 graphs with the classes in equal parts. Each graph
    is tested once, and is validation once."""
    random = np.random.RandomState(seed)  # its streams are frozen, those of numpy's Generator are not
    labels = np.repeat(np.arange(len(SKIPS)), COPIES)
    edges = np.stack([random.permutation(NODES)[skip_links(SKIPS[label])] for label in labels])
    each = np.stack([random.permutation(COPIES) for _ in SKIPS])  # (classes, copies)
    parts = (each + COPIES * np.arange(len(SKIPS))[:, None]).reshape(len(SKIPS), NUM_FOLDS, -1)
    folds = []
    for fold in range(NUM_FOLDS):
        following = (fold + 1) % NUM_FOLDS
        rest = [part for part in range(NUM_FOLDS) if part not in (fold, following)]
        chosen: dict[str, Any] = {"train": rest, "val": following, "test": fold}
        folds.append({name: np.sort(parts[:, part].ravel()) for name, part in chosen.items()})
    return edges, labels, folds


def read(data: Data) -> tuple[Edges, NDArray[np.int64], Folds]:
    """The published instances and folds, as `generate` gives them; there too each graph is tested once."""
    with np.load(data.path("graph/csl/csl.npz")) as arrays:
        edges, labels = arrays["edge_index"].astype(np.int64), arrays["y"].astype(np.int64)
    lists = json.loads(data.path("graph/csl/csl_5fold.json").read_text(encoding="utf-8-sig"))
    names = ("train", "val", "test")
    folds = [{name: np.array(lists[name][fold], dtype=np.int64) for name in names} for fold in range(NUM_FOLDS)]
    return edges, labels, folds
