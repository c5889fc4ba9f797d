"""Cora, CiteSeer and PubMed: papers, their words, and who cites whom.

Yang, Cohen & Salakhutdinov 2016, "Revisiting Semi-Supervised Learning with Graph Embeddings" (Planetoid): its files and
its split, 20 labelled papers per class, the next 500 for validation, 1,000 others for the test.

What is done to them, as in Kipf & Welling 2017: rows of the features add up to 1; citations count in both directions,
once, and never from a paper to itself. 15 papers in the range of CiteSeer's test come without words and class: their
rows are 0, their label is 0 and means nothing, and no split holds them. 48 papers of CiteSeer are isolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from dlbench import GraphBatch, NoData
from dlbench.data import Data
from dlbench.data.graphs import single_graph

from ..single import SingleGraph
from .arrays import clean_edges, to_features, to_indices
from .files import planetoid_folder
from .pickles import read_pickle

NUM_VAL = 500


@dataclass(frozen=True)
class Planetoid:
    """One of the sets as published: `features` (N, F) CSR, `edges` (2, E), `labels` (N,), `splits` of node indices."""

    features: Any
    edges: NDArray[np.int64]
    labels: NDArray[np.int64]
    splits: dict[str, NDArray[np.int64]]
    num_classes: int

    def graph(self, *, features: str = "csr", device: str = "cpu") -> GraphBatch:
        """The graph on a device; raises BadGraph on a link to a paper that doesn't exist."""
        return single_graph(to_features(self.features, features, device), torch.from_numpy(self.edges).to(device))


def load(data: Data, *, name: str, features: str, sampler: str, hops: int, fanout: int | None) -> SingleGraph:
    """`name`: `cora`, `citeseer` or `pubmed`; `features`: `csr` or `dense`; for the others see `SingleGraph`."""
    found = read(data, name)
    return SingleGraph(
        graph=found.graph(features=features, device=data.device),
        labels=torch.from_numpy(found.labels).to(data.device),
        splits=to_indices(found.splits, data.device),
        num_classes=found.num_classes,
        sampler=sampler,
        hops=hops,
        fanout=fanout,
    )


def read(data: Data, name: str) -> Planetoid:
    """The files of one set. `allx`, `ally`: words and classes of all papers but those of the test, first the labelled
    ones; `tx`, `ty`: of the test, whose numbers are in `test.index`. Raises NoData for missing or damaged files."""
    prefix = f"{planetoid_folder(name)}/ind.{name}"
    allx, tx, ally, ty, y, links = (
        read_pickle(data.path(f"{prefix}.{part}")) for part in ("allx", "tx", "ally", "ty", "y", "graph")
    )
    test = np.loadtxt(data.path(f"{prefix}.test.index"), dtype=np.int64, ndmin=1)
    if not len(ally) == _rows(allx) == test.min() or not len(ty) == _rows(tx) == len(test):
        raise NoData(f"the files of {name} don't belong together: {_rows(allx)} and {_rows(tx)} rows of words")
    count = int(test.max()) + 1
    labels = np.zeros(count, dtype=np.int64)
    labels[: len(ally)], labels[test] = ally.argmax(axis=1), ty.argmax(axis=1)
    neighbours = [links[node] for node in links]
    source = np.repeat(np.fromiter(links, dtype=np.int64), [len(found) for found in neighbours])
    splits = {"train": np.arange(len(y)), "val": np.arange(len(y), len(y) + NUM_VAL), "test": np.sort(test)}
    return Planetoid(
        features=_place_rows([(allx, np.arange(len(ally))), (tx, test)], count),
        edges=clean_edges(source, list(chain.from_iterable(neighbours))),
        labels=labels,
        splits=splits,
        num_classes=ally.shape[1],
    )


def _rows(matrix: Any) -> int:
    return len(matrix.indptr) - 1


def _place_rows(parts: list[tuple[Any, NDArray[np.int64]]], count: int) -> csr_matrix:
    """One matrix (count, F) of several, each with the places of its rows."""
    rows = np.concatenate([np.repeat(places, np.diff(matrix.indptr)) for matrix, places in parts])
    columns = np.concatenate([matrix.indices for matrix, _ in parts])
    values = np.concatenate([matrix.data for matrix, _ in parts])
    return coo_matrix((values, (rows, columns)), shape=(count, parts[0][0]._shape[1])).tocsr()
