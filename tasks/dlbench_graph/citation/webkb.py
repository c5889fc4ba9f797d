"""Cornell, Texas and Wisconsin: web pages of computer science departments, which link mostly to pages of other classes.

Pei, Wei, Chang, Lei & Yang 2020, "Geom-GCN: Geometric Graph Convolutional Networks": its files and ten splits (about
48 / 32 / 20 %, whatever the file names say), as folds. Rows of the features add up to 1, as there.

Differs from it: a link counts in both directions unless `directed`; a page's link to itself is left out in either case.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix

from dlbench import NoData
from dlbench.data import Data
from dlbench.data.graphs import single_graph

from ..single import SingleGraph
from .arrays import clean_edges, to_features, to_indices
from .files import webkb_folder

FOLDS = 10


def load(data: Data, *, name: str, features: str, directed: bool) -> SingleGraph:
    """`name`: `cornell`, `texas` or `wisconsin`; `features`: `csr` or `dense`; `directed`: keep links as they are.

    Raises NoData for missing or damaged files, BadGraph on a link to a page that doesn't exist.
    """
    folder = webkb_folder(name)
    words, labels = _read_nodes(data, f"{folder}/out1_node_feature_label.txt")
    links = np.loadtxt(data.path(f"{folder}/out1_graph_edges.txt"), dtype=np.int64, skiprows=1, ndmin=2)
    edges = torch.from_numpy(clean_edges(*links.T, directed=directed)).to(data.device)
    folds = [_read_split(data, f"{folder}/{name}_split_0.6_0.2_{fold}.npz") for fold in range(FOLDS)]
    return SingleGraph(
        graph=single_graph(to_features(words, features, data.device), edges),
        labels=torch.from_numpy(labels).to(data.device),
        splits=folds[0],
        num_classes=int(labels.max()) + 1,
        folds=folds,
    )


def _read_nodes(data: Data, path: str) -> tuple[csr_matrix, Any]:
    """Lines of a node's number, its words as zeros and ones, and its class; returns words (N, F), classes (N,)."""
    lines = [line.split("\t") for line in data.path(path).read_text(encoding="utf-8-sig").splitlines()[1:]]
    try:
        nodes = np.array([int(line[0]) for line in lines])
        words = np.array([line[1].split(",") for line in lines], dtype=np.float32)
        labels = np.array([int(line[2]) for line in lines], dtype=np.int64)
    except (IndexError, ValueError) as error:
        raise NoData(f"can't read {path}: {error}") from error
    order = nodes.argsort()
    if not np.array_equal(nodes[order], np.arange(len(nodes))):
        raise NoData(f"can't read {path}: its nodes aren't 0 to {len(nodes) - 1}")
    return csr_matrix(words[order]), labels[order]


def _read_split(data: Data, path: str) -> dict[str, torch.Tensor]:
    with np.load(data.path(path)) as masks:
        return to_indices(
            {name: np.nonzero(masks[f"{name}_mask"])[0] for name in ("train", "val", "test")}, data.device
        )
