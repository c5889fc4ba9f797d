"""Tasks on one graph or hypergraph of your own, from arrays in an npz file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlbench import NoData
from dlbench.data import Data
from dlbench.data.graphs import BadGraph, single_graph
from dlbench.data.splits import SPLITS, draw_split

from .citation.arrays import clean_edges, to_indices
from .citation.hypergraph import SingleHypergraph, single_hypergraph
from .single import SingleGraph

HELD_OUT = 0.2
NAMES = {
    "features": ("features", "node_features", "x", "attr_matrix"),
    "labels": ("labels", "node_labels", "y"),
    "edges": ("edges", "edge_index"),
    "members": ("members",),
}


def node_arrays(
    data: Data, path: str, *, directed: bool = False, sparse: bool = False, values: bool = False, **task: Any
) -> SingleGraph:
    """A task `Graph -> NodeClasses` (metrics `accuracy`, `loss`) on an npz file, below the data root or absolute, with

    - `features` (or `node_features`, `x`): (N, F), taken as they are; or a CSR matrix as `attr_data`, `attr_indices`,
      `attr_indptr`, `attr_shape`, as in Shchur et al. 2018, "Pitfalls of Graph Neural Network Evaluation";
    - `edges` (or `edge_index`): (2, E) or (E, 2), source and target; or a CSR matrix as `adj_data` and so on. They get
      both directions unless `directed`; self-loops and repetitions go;
    - `labels` (or `node_labels`, `y`): (N,), -1 where there is none; with `values` they are numbers (`NodeValue`);
    - `train_masks`, `val_masks`, `test_masks` (K, N), as in Platonov et al. 2023, "A Critical Look at the Evaluation of
      GNNs under Heterophily", or `train_mask` ... (N,). With K above 1 these are folds: set `folds=K` in the spec.
      Without, a fifth each of the labelled nodes is val and test, drawn with the classes in proportion.

    `sparse`: the features as CSR on the device. `task`: more of `SingleGraph`, such as `score`. Raises NoData for files
    without these, BadGraph for what can't be a graph.
    """
    arrays = _arrays(data, path)
    nodes = _features(arrays, path).to(data.device)
    edges = _ends(arrays, path)
    if edges.size and (edges.min() < 0 or edges.max() >= len(nodes)):
        raise BadGraph(f"{path} has an edge to node {int(edges.max())}, but its nodes are 0 to {len(nodes) - 1}")
    ends = torch.from_numpy(clean_edges(*edges, directed=directed)).to(data.device)
    graph = single_graph(nodes.to_sparse_csr() if sparse else nodes, ends)
    return SingleGraph(graph=graph, **_labels(arrays, path, values, data.device), **task)


def hypergraph_arrays(data: Data, path: str, *, values: bool = False, **task: Any) -> SingleHypergraph:
    """The same of a hypergraph, `Hypergraph -> NodeClasses`: in place of edges the file has `members` (2, M), a node
    and a hyperedge that holds it."""
    arrays = _arrays(data, path)
    nodes = _features(arrays, path).to(data.device)
    members = torch.from_numpy(_pick(arrays, "members", path).astype(np.int64)).to(data.device)
    count = int(members[1].max()) + 1
    graph = single_hypergraph(nodes, members, count)
    return SingleHypergraph(graph=graph, **_labels(arrays, path, values, data.device), **task)


def _arrays(data: Data, path: str) -> dict[str, Any]:
    try:
        with np.load(data.path(path)) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise NoData(f"can't read {path} as arrays: {error}") from error


def _pick(arrays: Mapping[str, Any], what: str, path: str) -> Any:
    found = next((arrays[name] for name in NAMES[what] if name in arrays), None)
    if found is None:
        raise NoData(f"{path} has no array {' or '.join(NAMES[what])}; it has {', '.join(arrays)}")
    return found


def _matrix(arrays: Mapping[str, Any], name: str) -> Any:
    """The CSR matrix of this name, or None."""
    from scipy.sparse import csr_matrix

    parts = [arrays.get(f"{name}_{part}") for part in ("data", "indices", "indptr", "shape")]
    if any(part is None for part in parts):
        return None
    return csr_matrix((parts[0], parts[1], parts[2]), shape=tuple(parts[3]))


def _features(arrays: Mapping[str, Any], path: str) -> Tensor:
    matrix = _matrix(arrays, "attr")
    found = _pick(arrays, "features", path) if matrix is None else matrix.toarray()
    return torch.from_numpy(np.asarray(found, dtype=np.float32))


def _ends(arrays: Mapping[str, Any], path: str) -> Any:
    """(2, E) int64."""
    matrix = _matrix(arrays, "adj")
    if matrix is not None:
        return np.stack(matrix.nonzero()).astype(np.int64)
    found = np.asarray(_pick(arrays, "edges", path), dtype=np.int64)
    if found.ndim != 2 or 2 not in found.shape:
        raise BadGraph(f"the edges of {path} have the shape (2, E) or (E, 2), not {found.shape}")
    return found if found.shape[0] == 2 else found.T


def _labels(arrays: Mapping[str, Any], path: str, values: bool, device: str) -> dict[str, Any]:
    """What a task on nodes takes: labels, splits, classes and folds."""
    labels = np.asarray(_pick(arrays, "labels", path))
    labels = labels.astype(np.float32 if values else np.int64)
    folds = _masks(arrays)
    if not folds:
        known = np.flatnonzero(np.isfinite(labels) if values else labels >= 0)
        parts = draw_split(labels[known], HELD_OUT, HELD_OUT, stratify=not values)
        folds = [{split: known[part] for split, part in zip(SPLITS, parts, strict=True)}]
    placed = [to_indices(splits, device) for splits in folds]
    return {
        "labels": torch.from_numpy(labels).to(device), "splits": placed[0], "folds": placed if len(placed) > 1 else (),
        "num_classes": None if values else int(labels.max()) + 1,
    }  # fmt: skip


def _masks(arrays: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = {split: arrays.get(f"{split}_masks", arrays.get(f"{split}_mask")) for split in SPLITS}
    if any(mask is None for mask in found.values()):
        return []
    rows = {split: np.atleast_2d(np.asarray(mask, dtype=bool)) for split, mask in found.items()}
    return [{s: np.flatnonzero(masks[fold]) for s, masks in rows.items()} for fold in range(len(rows["train"]))]
