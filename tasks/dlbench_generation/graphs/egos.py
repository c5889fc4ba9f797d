"""`ego_small`: papers of CiteSeer with those that they cite or are cited by, and the citations among these.

You et al. 2018, "GraphRNN", with the sizes of Niu et al. 2020: 200 egos of one hop with 4 to 18 nodes, of the largest
component. The papers publish no list of them, so these are drawn by a seed of the task's own. Citations are undirected
and never from a paper to itself. Small egos are few: the 200 are 60 different graphs, and over random splits three in
four of the test graphs stand in training (0.65 to 0.95 of 40).
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlbench.data import Data
from dlbench_graph.citation.arrays import clean_edges
from dlbench_graph.citation.files import planetoid_folder
from dlbench_graph.citation.pickles import read_pickle

from .statistics import Stack

SEED = 1813
COUNT, SMALLEST, LARGEST = 200, 4, 18


def read(data: Data) -> Stack:
    """The egos, the paper itself first. Raises NoData for missing or damaged files."""
    links = read_pickle(data.path(f"{planetoid_folder('citeseer')}/ind.citeseer.graph"))
    source = np.repeat(np.fromiter(links, dtype=np.int64), [len(found) for found in links.values()])
    return egos(clean_edges(source, list(chain.from_iterable(links.values()))))


def egos(citations: NDArray[np.int64]) -> Stack:
    """`citations` (2, E), both directions, sorted by source."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    size = int(citations.max()) + 1
    matrix = coo_matrix((np.ones(citations.shape[1], dtype=bool), citations), shape=(size, size)).tocsr()
    _, component = connected_components(matrix, directed=False)
    largest = component == np.bincount(component).argmax()
    around = np.diff(matrix.indptr) + 1
    fitting = np.flatnonzero(largest & (around >= SMALLEST) & (around <= LARGEST))
    chosen = np.random.RandomState(SEED).permutation(fitting)[:COUNT]
    edges = np.zeros((len(chosen), LARGEST, LARGEST), dtype=bool)
    for index, paper in enumerate(chosen):
        nodes = np.array([paper, *matrix[paper].indices])
        edges[index, : len(nodes), : len(nodes)] = _among(matrix, nodes)
    return Stack(edges, around[chosen].astype(np.int64))


def _among(matrix: Any, nodes: NDArray[np.int64]) -> NDArray[np.bool_]:
    return matrix[nodes][:, nodes].toarray()
